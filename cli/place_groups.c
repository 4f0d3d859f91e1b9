#include "cli/place_groups.h"

#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/say.h"

static int say_unknown_group(struct place *place, const char *name, const struct place_groups *all)
{
    struct weir_error error;
    struct weir_nearest nearest = weir_nearest_to(name);
    for (size_t i = 0; i < all->count; i++) {
        weir_nearest_offer(&nearest, all->rows[i].name);
    }
    (void)weir_error_set(&error, WEIR_GROUP_ID_NOT_FOUND, "%s has no group '%s'", place->what,
                         name);
    if (nearest.found != NULL) return say_failure(&error, "did you mean '%s'?", nearest.found);
    return say_failure(&error, "'weir group list%s' shows those there are", place->option);
}

int place_say_group_failure(struct place *place, const char *name, const struct weir_error *error)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct place_groups all = {0};
    if (error->code == WEIR_GROUP_OWNED) {
        return say_failure(error,
                           "its offsets are a part of what the application keeps: while no job "
                           "runs, 'weir app reset %s --data DIR' moves them, and 'weir app "
                           "release' gives the group back",
                           name);
    }
    if (error->code != WEIR_GROUP_ID_NOT_FOUND) return say_failure(error, NULL);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "names", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    (void)place->ops->groups->list(place, &arena, &all, NULL); /* without, no name is near */
    bool is_there = false;
    for (size_t i = 0; i < all.count; i++) {
        is_there = is_there || strcmp(all.rows[i].name, name) == 0;
    }
    int exit_code = is_there ? say_failure(error, NULL) : say_unknown_group(place, name, &all);
    weir_arena_close(&arena);
    return exit_code;
}
