/**
 * Processors of the vectors: a program of actions with `;` between, run for each record on a copy of
 * it, and timers that forward `tick` (README.md). Key, value and time are kept as texts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/declare.h"

struct scene { /* one record, or one tick */
    struct weir_process *process;
    struct weir_call *call;
    const struct use *use;
    const void *key_object; /* as it came: a processor of values may forward no other */
    struct weir_slice key;
    struct weir_slice value;
    int64_t time_ms;
    bool is_key_changed;
    bool is_stopped;
};

static int failed(struct weir_call *call)
{
    return weir_call_fail(call, "as the vector wants it");
}

static const void *object_of(struct scene *scene, struct type type, struct weir_slice text)
{
    const void *object = NULL;
    (void)object_from_text(scene->call, type, text, &object);
    return object;
}

static int forward(struct scene *scene)
{
    const struct use *use = scene->use;
    const void *key =
        scene->is_key_changed ? object_of(scene, use->key_out, scene->key) : scene->key_object;
    return weir_process_forward(scene->process, key, object_of(scene, use->value_out, scene->value),
                                scene->time_ms);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static const struct store_type *type_of_store(const struct scene *scene, const char *name)
{
    return graph_store(scene->use->graph, name);
}

static int read_store(struct scene *scene, const char *name, struct weir_slice *text_out)
{
    const struct store_type *type = type_of_store(scene, name);
    const void *value = NULL;
    int rc = weir_store_get(scene->process, weir_process_store(scene->process, name),
                            object_of(scene, type->key, scene->key), &value);
    if (rc < 0) return rc;
    return object_to_text(scene->call, type->value, value, text_out) ? 0 : failed(scene->call);
}

static int write_store(struct scene *scene, const char *name, struct weir_slice text)
{
    const struct store_type *type = type_of_store(scene, name);
    return weir_store_put(scene->process, weir_process_store(scene->process, name),
                          object_of(scene, type->key, scene->key),
                          object_of(scene, type->value, text));
}

static int count(struct scene *scene, const char *name)
{
    struct weir_slice stored;
    int rc = read_store(scene, name, &stored);
    if (rc < 0) return rc;
    scene->value = text_printf(scene->call, "%" PRId64, text_number(stored) + 1);
    return write_store(scene, name, scene->value);
}

/* Puts and reads as of the record's time, or another. */
static int put_version(struct scene *scene, const char *name, struct weir_slice text,
                       int64_t *to_ms_out)
{
    const struct store_type *type = type_of_store(scene, name);
    return weir_store_put_as_of(scene->process, weir_process_store(scene->process, name),
                                object_of(scene, type->key, scene->key),
                                object_of(scene, type->value, text), scene->time_ms, to_ms_out);
}

/* The version as VALUE/TIME. */
static int get_version(struct scene *scene, const char *name, int64_t as_of_ms,
                       struct weir_slice *text_out)
{
    const struct store_type *type = type_of_store(scene, name);
    const void *value = NULL;
    int64_t from_ms;
    struct weir_slice text;
    int rc =
        weir_store_get_as_of(scene->process, weir_process_store(scene->process, name),
                             object_of(scene, type->key, scene->key), as_of_ms, &value, &from_ms);
    *text_out = text_show(weir_null());
    if (rc < 0 || value == NULL) return rc;
    if (!object_to_text(scene->call, type->value, value, &text)) return failed(scene->call);
    *text_out =
        text_printf(scene->call, "%.*s/%" PRId64, (int)text.size, (const char *)text.data, from_ms);
    return 0;
}

/* What Kafka Streams returns of a put: -1 for the latest, the least number for one that was not put. */
static int put_and_tell(struct scene *scene, const char *name)
{
    int64_t to_ms = 0;
    int rc = put_version(scene, name, scene->value, &to_ms);
    const int64_t told = to_ms == INT64_MAX ? -1 : to_ms == WEIR_STORE_NOT_PUT ? INT64_MIN : to_ms;
    if (rc >= 0) scene->value = text_printf(scene->call, "%" PRId64, told);
    return rc;
}

static int delete_and_tell(struct scene *scene, const char *name)
{
    struct weir_slice was;
    int rc = get_version(scene, name, scene->time_ms, &was);
    if (rc >= 0) rc = put_version(scene, name, weir_null(), NULL);
    if (rc >= 0) scene->value = was;
    return rc;
}

/* STORE, or STORE:TIME. */
static int get_and_tell(struct scene *scene, const char *x)
{
    char name[64];
    const char *colon = strchr(x, ':');
    const size_t size = colon != NULL ? (size_t)(colon - x) : strlen(x);
    (void)snprintf(name, sizeof name, "%.*s", (int)size, x);
    return get_version(scene, name, colon != NULL ? atoll(colon + 1) : INT64_MAX, &scene->value);
}

/* ---- actions --------------------------------------------------------------------------------- */

static bool is_value(const struct scene *scene, const char *x)
{
    return !weir_slice_is_null(scene->value) && weir_slice_equal(scene->value, weir_text(x));
}

static int map_into(struct scene *scene, const char *text, struct weir_slice *to)
{
    struct function function;
    struct weir_slice result;
    (void)function_parse(text, &function);
    if (!map_apply(&function, scene->call, scene->key, scene->value, &result)) {
        return failed(scene->call);
    }
    *to = result;
    return 0;
}

static int act(struct scene *scene, const struct function *action)
{
    const char *word = action->word, *x = action->x;
    struct weir_call *call = scene->call;
    if (strcmp(word, "fwd") == 0) return forward(scene);
    if (strcmp(word, "val") == 0) return map_into(scene, x, &scene->value);
    if (strcmp(word, "key") == 0) scene->is_key_changed = true;
    if (strcmp(word, "key") == 0) return map_into(scene, x, &scene->key);
    if (strcmp(word, "put") == 0) return write_store(scene, x, scene->value);
    if (strcmp(word, "del") == 0) return write_store(scene, x, weir_null());
    if (strcmp(word, "count") == 0) return count(scene, x);
    if (strcmp(word, "vput") == 0) return put_and_tell(scene, x);
    if (strcmp(word, "vdel") == 0) return delete_and_tell(scene, x);
    if (strcmp(word, "vget") == 0) return get_and_tell(scene, x);
    if (strcmp(word, "failon") == 0) return is_value(scene, x) ? failed(call) : 0;
    if (strcmp(word, "stopon") == 0) scene->is_stopped = is_value(scene, x);
    if (strcmp(word, "ts") == 0) scene->time_ms += atoll(x);
    if (strcmp(word, "at") == 0) scene->time_ms = atoll(x);
    if (strcmp(word, "meta") == 0) {
        scene->value =
            text_printf(call, "%s/%d/%" PRId64, call->topic, call->partition, call->offset);
    }
    if (strcmp(word, "get") == 0) {
        struct weir_slice stored;
        int rc = read_store(scene, x, &stored);
        if (rc < 0) return rc;
        scene->value = text_show(stored);
    }
    return 0;
}

bool program_is_built(const char *program, char *what, size_t what_size)
{
    static const char built[] =
        " fwd val key put del count failon stopon ts at meta get vput vdel vget ";
    char copy[1024], *rest = NULL, padded[32];
    (void)snprintf(copy, sizeof copy, "%.1000s", program);
    for (char *text = strtok_r(copy, ";", &rest); text != NULL; text = strtok_r(NULL, ";", &rest)) {
        struct function action, map;
        bool is_map = strncmp(text, "val:", 4) == 0 || strncmp(text, "key:", 4) == 0;
        bool is_known = function_parse(text, &action);
        (void)snprintf(padded, sizeof padded, " %s ", action.word);
        is_known = is_known && strstr(built, padded) != NULL;
        if (is_map) is_known = function_parse(action.x, &map) && function_is_map(&map);
        if (strcmp(action.word, "fwd") == 0 && action.x != NULL) is_known = false;
        (void)snprintf(what, what_size, "action %s", action.word);
        if (!is_known) return false;
    }
    return true;
}

int program_process(struct weir_process *process, void *state, struct weir_call *call,
                    const void *key, const void *value)
{
    (void)state;
    const struct use *use = call->context;
    struct scene scene = {.process = process,
                          .call = call,
                          .use = use,
                          .key_object = key,
                          .time_ms = call->timestamp_ms};
    /* What is forwarded is read later, and may be a part of the program. */
    char *rest = NULL, *copy = weir_scope_alloc(call->scope, strlen(use->program) + 1);
    if (copy == NULL) return WEIR_NO_MEMORY;
    strcpy(copy, use->program);
    (void)object_to_text(call, use->key, key, &scene.key);
    (void)object_to_text(call, use->value, value, &scene.value);
    int rc = 0;
    for (char *text = strtok_r(copy, ";", &rest); rc >= 0 && text != NULL && !scene.is_stopped;
         text = strtok_r(NULL, ";", &rest)) {
        struct function action;
        (void)function_parse(text, &action);
        rc = act(&scene, &action);
    }
    return rc;
}

/* ---- timers ---------------------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *wanted)
{
    for (const char *at = list; at != NULL && *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, wanted, strlen(wanted)) == 0 && strchr(",", at[strlen(wanted)]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Wall clock times are shown less what the clock began with. */
static int tick(struct weir_process *process, struct weir_call *call, int64_t time_ms, int number)
{
    const struct use *use = call->context;
    struct scene scene = {.process = process, .call = call, .use = use, .is_key_changed = true};
    char text[64];
    bool is_wall = use->timers[number].type == WEIR_PUNCTUATE_WALL_CLOCK;
    scene.time_ms = is_wall ? time_ms - WALL_MS : time_ms;
    (void)snprintf(text, sizeof text, "%d@%" PRId64, number, scene.time_ms);
    if (is_listed(use->tick_fail, text)) return failed(call);
    scene.key = weir_text("tick");
    scene.value = text_printf(call, "%s", text);
    return forward(&scene);
}

#define TICK(number)                                                                               \
    static int tick_##number(struct weir_process *process, void *state, struct weir_call *call,    \
                             int64_t time_ms)                                                      \
    {                                                                                              \
        return (void)state, tick(process, call, time_ms, number);                                  \
    }
TICK(0)
TICK(1)
TICK(2)
TICK(3)

int program_init(struct weir_process *process, void *state, struct weir_call *call)
{
    static int (*const ticks[TIMERS_MAX])(struct weir_process *, void *, struct weir_call *,
                                          int64_t) = {tick_0, tick_1, tick_2, tick_3};
    const struct use *use = call->context;
    int rc = 0;
    (void)state;
    for (size_t i = 0; rc >= 0 && i < use->timer_count; i++) {
        rc = weir_process_schedule(process, use->timers[i].type, use->timers[i].interval_ms,
                                   ticks[i]);
    }
    return rc;
}
