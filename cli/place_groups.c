#include "cli/place_groups.h"

#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/say.h"

int place_check_groups(const struct cli_command *command, void *values,
                       const struct cli_operands *operands)
{
    (void)values;
    for (size_t i = 0; i < operands->count; i++) {
        if (operands->items[i][0] != '\0') continue;
        return say_usage(command->name, "the group's name is empty");
    }
    return CLI_OK;
}

const char *place_nearest_group(struct place *place, struct weir_arena *arena, const char *name)
{
    struct weir_nearest nearest = weir_nearest_to(name);
    struct place_groups all = {0};
    (void)place->ops->groups->list(place, arena, &all, NULL); /* without, no name is near */
    for (size_t i = 0; i < all.count; i++) {
        if (strcmp(all.rows[i].name, name) == 0) return NULL; /* it has come meanwhile */
        weir_nearest_offer(&nearest, all.rows[i].name);
    }
    return nearest.found;
}

static int say_unknown_group(struct place *place, const char *name, const char *nearest)
{
    struct weir_error error;
    (void)weir_error_set(&error, WEIR_GROUP_ID_NOT_FOUND, "%s has no group '%s'", place->what,
                         name);
    if (nearest != NULL) return say_failure(&error, "did you mean '%s'?", nearest);
    return say_failure(&error, "'weir group list%s' shows those there are", place->option);
}

int place_say_group_failure(struct place *place, const char *name, const struct weir_error *error)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    if (error->code == WEIR_GROUP_OWNED) {
        char word[SAY_WORD_SIZE];
        return say_failure(error,
                           "its offsets are a part of what the application keeps: while no job "
                           "runs, 'weir app reset %s%s' moves them, and 'weir app "
                           "release' gives the group back",
                           say_word(word, sizeof word, name),
                           place->log != NULL ? place->option : " --data DIR");
    }
    if (error->code != WEIR_GROUP_ID_NOT_FOUND) return say_failure(error, NULL);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "names", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    int exit_code = say_unknown_group(place, name, place_nearest_group(place, &arena, name));
    weir_arena_close(&arena);
    return exit_code;
}
