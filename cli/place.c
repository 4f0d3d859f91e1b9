#include "cli/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/say.h"

#define PLACE_DEFAULT_ADDRESS "127.0.0.1:9092"

static int open_directory(struct cli *cli, const struct place_target *target,
                          struct place **place_out)
{
    struct weir_error error = {0};
    int rc = place_embedded_open(cli, target, place_out, &error);
    if (rc == 0) return CLI_OK;
    if (rc == WEIR_LOCKED) {
        return say_failure(&error, "to work with it while it is open, ask that process: "
                                   "--brokers HOST:PORT instead of --data");
    }
    if (rc == WEIR_NOT_FOUND) {
        return say_failure(&error,
                           "'weir topic create NAME --data %s' makes one, and so does 'weir "
                           "server --data %s'",
                           target->data, target->data);
    }
    return say_failure(&error, NULL);
}

static int open_server(struct cli *cli, const char *address, struct place **place_out)
{
    struct weir_error error = {0};
    int rc = place_remote_open(cli, address, place_out, &error);
    if (rc == 0) return CLI_OK;
    if (rc == WEIR_DISCONNECTED) {
        return say_failure(&error,
                           "start one: 'weir server --data ./data'; or work without a server: "
                           "--data DIR");
    }
    if (rc == WEIR_INVALID_ARGUMENT) {
        return say_failure(&error, "--brokers takes HOST:PORT, such as 127.0.0.1:9092");
    }
    return say_failure(&error, NULL);
}

int place_open(struct cli *cli, const struct place_target *target, struct place **place_out)
{
    if (target->data != NULL && target->brokers != NULL) {
        return say_usage(NULL, "--data and --brokers: it is the one or the other");
    }
    if (target->data != NULL) return open_directory(cli, target, place_out);
    const char *address = target->brokers;
    if (address == NULL) address = getenv("WEIR_BROKERS");
    if (address == NULL || address[0] == '\0') address = PLACE_DEFAULT_ADDRESS;
    return open_server(cli, address, place_out);
}

void place_close(struct place *place)
{
    if (place != NULL) place->ops->close(place);
}

static int say_unknown_topic(struct place *place, const char *topic, const struct place_topics *all)
{
    struct weir_error error;
    struct weir_nearest nearest = weir_nearest_to(topic);
    for (size_t i = 0; i < all->count; i++) {
        weir_nearest_offer(&nearest, all->rows[i].name);
    }
    (void)weir_error_set(&error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "%s has no topic '%s'",
                         place->what, topic);
    if (nearest.found != NULL) return say_failure(&error, "did you mean '%s'?", nearest.found);
    return say_failure(&error,
                       "'weir topic list' shows those there are; 'weir topic create %s' "
                       "makes it",
                       topic);
}

int place_say_failure(struct place *place, const char *topic, const struct weir_error *error)
{
    if (error->code != WEIR_UNKNOWN_TOPIC_OR_PARTITION) return say_failure(error, NULL);

    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct place_topics all = {0};
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "names", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    bool is_there = false;
    int rc = place->ops->list(place, &arena, &all, NULL);
    for (size_t i = 0; rc == 0 && i < all.count; i++) {
        is_there = is_there || strcmp(all.rows[i].name, topic) == 0;
    }
    int exit_code =
        rc < 0 || is_there ? say_failure(error, NULL) : say_unknown_topic(place, topic, &all);
    weir_arena_close(&arena);
    return exit_code;
}
