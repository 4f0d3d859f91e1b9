#ifndef WEIR_CLI_GROUP_VIEW_H
#define WEIR_CLI_GROUP_VIEW_H

#include "cli/lag.h"
#include "cli/place_groups.h"

/**
 * A group as the commands show it: who reads which partition, what is committed there, and how far behind that is.
 *
 * A partition is shown if it is assigned to a member or has a committed offset, in order of topic and number; on wish
 * also the others of these topics, which the group will read from somewhere, and whose records no lag counts.
 */
struct group_row {
    const char *topic;
    int32_t partition;
    const struct place_member *owner; /* NULL: nobody */
    int64_t committed;                /* -1: nothing */
    int32_t leader_epoch;             /* that was committed; -1: none */
    int64_t start;                    /* of the log; -1: not known, as the rest */
    int64_t end;
    int64_t lag;         /* records that are not committed */
    int64_t lag_ms;      /* how long ago the first of them was written */
    const char *problem; /* why the log is not known; NULL: it is */
};

struct group_view {
    struct place_group group;
    struct group_row *rows;
    size_t row_count;
    int64_t lag;        /* of all partitions where it is known; -1: of none */
    int64_t lag_ms;     /* the longest; -1: of none */
    size_t uncommitted; /* partitions that have records and no commit: no part of the lag */
};

/** Where logs begin and end, as they were asked first: a partition that many groups have read is asked once. */
struct group_ends;
struct group_ends *group_ends_new(struct weir_budget *budget);
void group_ends_free(struct group_ends *ends);

struct group_view_wish {
    bool with_members;       /* else the group is the caller's, as it was listed */
    bool with_times;         /* `lag_ms`, for which a record of each partition that lags is read */
    bool with_others;        /* partitions that are neither assigned nor committed */
    struct group_ends *ends; /* known already; NULL: each is asked */
};

/**
 * Ask for all of it. `view_out->group` has the name; its memory is the arena's.
 * Errors: WEIR_GROUP_ID_NOT_FOUND, and those of the place. What one partition refuses is its row's problem.
 */
int group_view_load(struct place *place, struct weir_arena *arena, struct group_view_wish wish,
                    struct group_view *view_out, struct weir_error *error);

/** Where a row's log begins and ends; what the partition refuses is the row's `problem`. Errors: those after which
 * nothing else can be asked either. */
int group_row_find_log(struct place *place, struct weir_arena *arena, struct group_row *row,
                       struct weir_error *error);

/** "lag 8 (3.4 s), 2 partitions without a commit"; "-" of what is not known. Gives `to`. */
enum { GROUP_LAG_SIZE = 128 };
const char *group_lag_text(char to[GROUP_LAG_SIZE], const struct group_view *view);

/** Unix time in ms. */
int64_t group_now_ms(void);

/** "stream application", "consumer", "classic", with what the server calls it otherwise. */
const char *group_type_text(const struct place_group *group);

#endif
