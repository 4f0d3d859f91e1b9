#ifndef WEIR_BASE_STATE_TABLE_H
#define WEIR_BASE_STATE_TABLE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The states of a thing, and which may follow which.
 *
 * The thing's states are an enum that begins at 0; a table has a row for each, with its name and the
 * set of those that may come next. The drawing stands in the thing's header, the table in its `.c`:
 *
 *   #define TO(state) WEIR_STATE_BIT(WEIR_DOOR_##state)
 *   static const struct weir_state_row rows[] = {
 *       [WEIR_DOOR_OPEN] = {"open", TO(CLOSED)},
 *       [WEIR_DOOR_CLOSED] = {"closed", TO(OPEN) | TO(LOCKED)},
 *       [WEIR_DOOR_LOCKED] = {"locked", TO(CLOSED)},
 *   };
 *   #undef TO
 *   static const struct weir_state_table doors = WEIR_STATE_TABLE("door", rows);
 *
 *   door->state = weir_state_move(&doors, door->name, door->state, WEIR_DOOR_OPEN);
 *
 * A state is assigned nowhere else but where the thing is made. A move that the table does not have is
 * a mistake of ours and ends the program, with a line that names the thing and both states.
 */
struct weir_state_row {
    const char *name;
    uint32_t successors; /* WEIR_STATE_BIT of each; 0: the last one */
};

struct weir_state_table {
    const char *noun; /* what it is the states of */
    const struct weir_state_row *rows;
    size_t count; /* of rows */
};

#define WEIR_STATE_BIT(state) (UINT32_C(1) << (state))
#define WEIR_STATES_MAX 32 /* bits of `successors` */
/* The assertion stands in a struct because an initializer has room for expressions only. */
#define WEIR_STATE_TABLE(noun, rows)                                                               \
    {                                                                                              \
        (noun), (rows),                                                                            \
            sizeof(rows) / sizeof(rows)[0] +                                                       \
                0 * sizeof(struct {                                                                \
                    static_assert(sizeof(rows) / sizeof(rows)[0] <= WEIR_STATES_MAX,               \
                                  "a state table has 32 rows at most");                            \
                    char unused;                                                                   \
                })                                                                                 \
    }

/** Names of states that the table does not have are "?". */
const char *weir_state_name(const struct weir_state_table *table, unsigned state);

_Noreturn void weir_state_refused(const struct weir_state_table *table, const char *object,
                                  unsigned from, unsigned to);

static inline bool weir_state_may_follow(const struct weir_state_table *table, unsigned from,
                                         unsigned to)
{
    return from < table->count && to < table->count &&
           (table->rows[from].successors & WEIR_STATE_BIT(to)) != 0;
}

/** `to`, which the table must have behind `from`. `object` says which one it is, for the message. */
static inline unsigned weir_state_move(const struct weir_state_table *table, const char *object,
                                       unsigned from, unsigned to)
{
    if (!weir_state_may_follow(table, from, to)) weir_state_refused(table, object, from, to);
    return to;
}

#endif
