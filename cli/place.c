#include "cli/place.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/no_memory.h"
#include "cli/say.h"

#define PLACE_DEFAULT_ADDRESS "127.0.0.1:9092"

/* How long a server that was started a moment ago may take (`weir server &` and the next line of a
 * script), and when the wait is worth a line. */
enum { SERVER_WAIT_MS = 5000, SHORTAGE_WAIT_MS = 30000, SAY_WAIT_MS = 1000, RETRY_MS = 50 };

/* ---- commands that are suggested -------------------------------------------------------------- */

static void set_option(struct place *place, const struct place_target *target)
{
    const char *word = target->data != NULL ? target->data : target->brokers;
    char quoted[PLACE_OPTION_SIZE - 16];
    if (word == NULL) return;
    (void)say_word(quoted, sizeof quoted, word);
    (void)snprintf(place->option, sizeof place->option, " --%s %s",
                   target->data != NULL ? "data" : "brokers", quoted);
}

/* ---- opening ---------------------------------------------------------------------------------- */

static int open_directory(struct cli *cli, const struct place_target *target,
                          struct place **place_out)
{
    struct weir_error error = {0};
    char data[PLACE_OPTION_SIZE];
    int rc = place_embedded_open(cli, target, place_out, &error);
    if (rc == 0) return CLI_OK;
    if (rc == WEIR_LOCKED && target->is_directory) {
        return say_failure(&error, "this is done while no job and no server has the directory: "
                                   "stop that process first");
    }
    if (rc == WEIR_LOCKED) {
        return say_failure(&error, "to work with it while it is open, ask that process: "
                                   "--brokers HOST:PORT instead of --data");
    }
    if (rc == WEIR_NOT_FOUND) {
        (void)say_word(data, sizeof data, target->data);
        return say_failure(&error,
                           "'weir topic create NAME --data %s' makes one, and so does 'weir "
                           "server --data %s'",
                           data, data);
    }
    return say_failure(&error, NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool place_asks_again(struct place_patience *patience, int rc)
{
    if (rc != WEIR_LIMIT) {
        *patience = (struct place_patience){0};
        return false;
    }
    if (patience->since_ms == 0) patience->since_ms = now_ms();
    int64_t waited_ms = now_ms() - patience->since_ms;
    if (waited_ms >= SHORTAGE_WAIT_MS) return false;
    if (!patience->has_said && waited_ms >= SAY_WAIT_MS) {
        patience->has_said = true;
        say_note("weir: not all can be served now; asking again for up to %d s",
                 SHORTAGE_WAIT_MS / 1000);
    }
    (void)poll(NULL, 0, RETRY_MS);
    return true;
}

/* As librdkafka does, but not for ever. */
static int open_server_that_starts(struct cli *cli, const char *address, struct place **place_out,
                                   struct weir_error *error)
{
    int64_t began_ms = now_ms();
    bool has_said = false;
    for (;;) {
        int rc = place_remote_open(cli, address, place_out, error);
        int64_t waited_ms = now_ms() - began_ms;
        if (rc != WEIR_DISCONNECTED || waited_ms >= SERVER_WAIT_MS) return rc;
        if (!has_said && waited_ms >= SAY_WAIT_MS) {
            has_said = true;
            say_note("weir: no server at %s yet; waiting up to %d s", address,
                     SERVER_WAIT_MS / 1000);
        }
        (void)poll(NULL, 0, RETRY_MS);
    }
}

static int say_no_server(const char *address, const struct weir_error *error)
{
    char quoted[PLACE_OPTION_SIZE];
    bool is_default = strcmp(address, PLACE_DEFAULT_ADDRESS) == 0;
    (void)say_word(quoted, sizeof quoted, address);
    return say_failure(error,
                       "start one: 'weir server --data ./data%s%s'; or work without a server: "
                       "--data DIR",
                       is_default ? "" : " --listen ", is_default ? "" : quoted);
}

static int open_server(struct cli *cli, const char *address, struct place **place_out)
{
    struct weir_error error = {0};
    int rc = open_server_that_starts(cli, address, place_out, &error);
    if (rc == 0) return CLI_OK;
    if (rc == WEIR_DISCONNECTED) return say_no_server(address, &error);
    if (rc == WEIR_INVALID_ARGUMENT || rc == WEIR_NOT_FOUND) {
        return say_failure(&error, "--brokers takes HOST or HOST:PORT, such as 127.0.0.1:9092");
    }
    return say_failure(&error, NULL);
}

int place_open(struct cli *cli, const struct place_target *target, struct place **place_out)
{
    if (target->data != NULL && target->brokers != NULL) {
        return say_usage(NULL, "--data and --brokers: it is the one or the other");
    }
    int exit_code;
    if (target->data != NULL) {
        exit_code = open_directory(cli, target, place_out);
    } else {
        const char *address = target->brokers;
        if (address == NULL) address = getenv("WEIR_BROKERS");
        if (address == NULL || address[0] == '\0') address = PLACE_DEFAULT_ADDRESS;
        exit_code = open_server(cli, address, place_out);
    }
    if (exit_code == CLI_OK) set_option(*place_out, target);
    return exit_code;
}

void place_close(struct place *place)
{
    if (place != NULL) place->ops->close(place);
}

int place_command_run(struct cli *cli, const struct cli_command *command, int argc, char **argv,
                      const struct place_command *at_place)
{
    struct cli_operands operands;
    struct place *place = NULL;
    int exit_code;
    if (cli_options_parse(command, argc, argv, at_place->values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    if (at_place->check != NULL) exit_code = at_place->check(command, at_place->values, &operands);
    if (exit_code == CLI_OK) exit_code = place_open(cli, at_place->target, &place);
    if (exit_code == CLI_OK) exit_code = at_place->work(cli, place, at_place->values, &operands);
    place_close(place);
    return exit_code;
}

static int say_unknown_topic(struct place *place, const char *topic, const struct place_topics *all,
                             enum place_topic_use use)
{
    struct weir_error error;
    struct weir_nearest nearest = weir_nearest_to(topic);
    for (size_t i = 0; i < all->count; i++) {
        weir_nearest_offer(&nearest, all->rows[i].name);
    }
    (void)weir_error_set(&error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "%s has no topic '%s'",
                         place->what, topic);
    if (nearest.found != NULL) return say_failure(&error, "did you mean '%s'?", nearest.found);
    if (use == PLACE_TOPIC_TO_HAVE) {
        return say_failure(&error, "'weir topic list%s' shows those there are", place->option);
    }
    return say_failure(&error,
                       "'weir topic list%s' shows those there are; 'weir topic create %s%s' "
                       "makes it",
                       place->option, topic, place->option);
}

int place_say_failure(struct place *place, const char *topic, enum place_topic_use use,
                      const struct weir_error *error)
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
        rc < 0 || is_there ? say_failure(error, NULL) : say_unknown_topic(place, topic, &all, use);
    weir_arena_close(&arena);
    return exit_code;
}

int place_keep_offline(struct place_partition *partition, struct weir_arena *arena,
                       struct weir_error *error)
{
    partition->start_offset = partition->end_offset = partition->size_bytes = -1;
    partition->offline = weir_arena_printf(arena, "%s", error->text);
    if (partition->offline == NULL) return cli_no_memory(error);
    *error = (struct weir_error){0};
    return 0;
}

const char *place_keep_text(struct weir_arena *arena, struct weir_slice text)
{
    return weir_arena_printf(arena, "%.*s", (int)text.size,
                             text.data != NULL ? (const char *)text.data : "");
}
