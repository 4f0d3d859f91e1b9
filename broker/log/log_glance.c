#include "broker/log/log_glance.h"

#include "broker/log/durable_mark.h"
#include "broker/log/small_file.h"

struct walk {
    struct weir_env *env;
    const char *path;
    struct weir_log_glance glance;
};

/* A segment that goes while it is looked at counts for nothing. */
static int add_file(void *context, const char *name, enum weir_file_kind kind)
{
    struct walk *walk = context;
    struct weir_file_stat stat = {0};
    if (kind != WEIR_FILE_REGULAR || weir_log_name_offset(name, ".log") < 0) return 0;
    struct weir_log_path path = weir_log_path(walk->path, name);
    if (weir_stat(walk->env, path.text, &stat, NULL) < 0) return 0;
    walk->glance.segment_count++;
    walk->glance.size_bytes += stat.size;
    return 0;
}

int weir_log_glance(struct weir_env *env, const char *path, struct weir_log_glance *glance_out,
                    struct weir_error *error)
{
    struct walk walk = {
        .env = env, .path = path, .glance = {.max_timestamp_ms = -1, .last_append_ms = -1}};
    int rc = weir_list(env, path, add_file, &walk, error);
    if (rc < 0) return rc;
    walk.glance.is_empty = walk.glance.size_bytes == 0;
    *glance_out = walk.glance;
    return 0;
}

static void note_newest(const struct weir_durable_mark *mark, struct weir_log_glance *glance)
{
    for (size_t i = 0; i < mark->segment_count; i++) {
        const struct weir_segment_facts *facts = &mark->segments[i];
        if (facts->max_timestamp_ms > glance->max_timestamp_ms) {
            glance->max_timestamp_ms = facts->max_timestamp_ms;
        }
        if (facts->last_append_ms > glance->last_append_ms) {
            glance->last_append_ms = facts->last_append_ms;
        }
    }
}

/* Without a mark that can be read nothing is known: who opens the log will see. */
static void read_newest(struct weir_env *env, struct weir_budget *budget, const char *path,
                        struct weir_log_glance *glance)
{
    struct weir_durable_mark mark = {0};
    struct weir_arena arena;
    weir_arena_init(&arena, budget, 0);
    int rc = weir_durable_mark_read(env, budget, path, &arena, &mark, NULL, NULL);
    if (rc == 0) note_newest(&mark, glance);
    weir_durable_mark_close(&mark);
    weir_arena_close(&arena);
}

int weir_log_glance_newest(struct weir_env *env, struct weir_budget *budget, const char *path,
                           struct weir_log_glance *glance_out, struct weir_error *error)
{
    int rc = weir_log_glance(env, path, glance_out, error);
    if (rc == 0 && !glance_out->is_empty) read_newest(env, budget, path, glance_out);
    return rc;
}
