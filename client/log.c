/** Opening and closing a log, and what all public calls check first. */
#include "client/client_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "client/embedded/embedded.h"
#include "wire/topic_names.h"

/* Leaves room in PATH_MAX for `log/<249 characters>-<partition>/<segment>.timeindex`. */
enum { DIRECTORY_SIZE_MAX = 3700 };

int weir_log_check(const struct weir_log *log, const char *call, struct weir_error *error)
{
    if (log == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s: the log is NULL; weir_open gives one", call);
    }
    if (log->magic != WEIR_LOG_MAGIC) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "%s: not an open log (closed before, or something else)", call);
    }
    return 0;
}

int weir_topic_text_check(const char *topic, struct weir_error *error)
{
    if (topic == NULL) {
        return weir_error_set(error, WEIR_INVALID_TOPIC, "the topic's name is NULL");
    }
    return weir_topic_name_check(weir_text(topic), error);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

int weir_log_pause(struct weir_log *log, int64_t ms)
{
    struct weir_mono until = weir_mono_after_ms(weir_mono_now(log->env), ms);
    int rc = weir_wait(log->env, never, NULL, until);
    return rc == WEIR_TIMED_OUT ? 0 : rc;
}

int weir_log_may_wait(const struct weir_log *log, const char *call, struct weir_error *error)
{
    if (weir_may_block(log->env)) return 0;
    return weir_error_set(
        error, WEIR_WRONG_THREAD,
        "%s waits, and must not be called from an operator or a callback: call it "
        "from a thread of the program",
        call);
}

int weir_log_wait_begin(struct weir_log *log, struct weir_request *request, const char *call,
                        struct weir_error *error)
{
    int rc = weir_log_may_wait(log, call, error);
    if (rc < 0) return rc;
    return weir_request_wait_begin(log->env, request, error);
}

static int check_directory(const char *directory, struct weir_error *error)
{
    if (directory == NULL || directory[0] == '\0') {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "the directory's name is %s: give the folder that holds the log",
                              directory == NULL ? "NULL" : "empty");
    }
    size_t size = strnlen(directory, DIRECTORY_SIZE_MAX + 1);
    if (size > DIRECTORY_SIZE_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "the directory's name '%.32s…' is too long: at most %d bytes",
                              directory, DIRECTORY_SIZE_MAX);
    }
    return 0;
}

static int check_options(const struct weir_log_options *options, struct weir_error *error)
{
    if (options->num_partitions < 0) {
        return weir_error_set(error, WEIR_INVALID_PARTITIONS,
                              "num_partitions is %d: at least 1, or 0 for the default",
                              (int)options->num_partitions);
    }
    const int auto_create = options->auto_create_topics;
    if (auto_create != 0 && auto_create != 1 && auto_create != WEIR_AUTO_CREATE_OFF) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "auto_create_topics is %d: 0 creates them, WEIR_AUTO_CREATE_OFF does "
                              "not",
                              auto_create);
    }
    if (options->shard_count < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "shard_count is %d: at least 1, or 0 for the default",
                              (int)options->shard_count);
    }
    if (options->segment_files_max < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "segment_files_max is %d: at least 1, or 0 for the default",
                              (int)options->segment_files_max);
    }
    if ((int)options->log_level < 0 || options->log_level > WEIR_LOG_DEBUG) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "log_level is %d: from 1 to %d",
                              (int)options->log_level, (int)WEIR_LOG_DEBUG);
    }
    return 0;
}

static struct weir_logger logger_of(const struct weir_log_options *options)
{
    return (struct weir_logger){
        .write = options->log,
        .context = options->log_context,
        .level = options->log_level != 0 ? options->log_level : WEIR_LOG_INFO,
    };
}

/* `options` is a whole struct of ours. */
static int open_with(struct weir_env *env, const char *directory,
                     const struct weir_log_options *options, struct weir_log **log_out,
                     struct weir_error *error)
{
    struct weir_log *log = weir_alloc_zero(env->budget, sizeof *log);
    if (log == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");

    log->env = env;
    log->logger = logger_of(options);
    log->auto_create_topics = options->auto_create_topics != WEIR_AUTO_CREATE_OFF;
    weir_budget_init(&log->budget, "client", env->heap, env->budget, 0);
    log->directory = weir_alloc_text(env->budget, directory, strlen(directory));
    int rc = log->directory != NULL
                 ? weir_embedded_open(env, directory, options, &log->embedded, error)
                 : weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    if (rc < 0) goto out;
    log->ops = &weir_embedded_ops;
    log->impl = log->embedded;
    log->magic = WEIR_LOG_MAGIC;
    *log_out = log;
    log = NULL;
out:
    if (log != NULL) {
        weir_free(log->directory);
        weir_free(log);
    }
    return rc;
}

int weir_log_open_in(struct weir_env *env, const char *directory,
                     const struct weir_log_options *options, struct weir_log **log_out,
                     struct weir_error *error)
{
    struct weir_log_options taken;
    int rc = weir_options_take(&taken, sizeof taken, options, "WEIR_LOG_OPTIONS_INIT", error);
    if (rc == 0) rc = check_options(&taken, error);
    if (rc == 0) rc = check_directory(directory, error);
    if (rc < 0) return weir_error_wrap(error, rc, "open log");
    rc = open_with(env, directory, &taken, log_out, error);
    return weir_error_wrap(error, rc, "open log '%s'", directory);
}

/* What nobody listens to is lost: a job that drops records would do so in silence. */
static void write_to_stderr(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context, (void)level;
    (void)fprintf(stderr, "%.*s\n", (int)size, line); /* one call: lines of threads stay whole */
}

static void listen_by_default(struct weir_log_options *options)
{
    if (options->log != NULL) return;
    options->log = write_to_stderr;
    if (options->log_level == 0) options->log_level = WEIR_LOG_WARN;
}

struct weir_log *weir_open(const char *directory, const struct weir_log_options *options,
                           struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_log_options taken;
    struct weir_env *env = NULL;
    struct weir_log *log = NULL;
    int rc = weir_options_take(&taken, sizeof taken, options, "WEIR_LOG_OPTIONS_INIT", error);
    if (rc < 0) goto out;
    listen_by_default(&taken);

    struct weir_env_uv_options env_options = {.logger = logger_of(&taken)};
    rc = weir_env_uv_new(&env_options, &env, error);
    if (rc < 0) goto out;
    if (weir_log_open_in(env, directory, &taken, &log, error) < 0) goto out;
    log->owns_env = true;
    env = NULL;
    weir_error_clear(error); /* what was looked for on the way and not found is no error */
out:
    weir_env_uv_free(env); /* the log's by now, if there is one */
    return log;
}

static int refuse_open_handles(struct weir_log *log, struct weir_error *error)
{
    int producers = atomic_load(&log->producer_count);
    int consumers = atomic_load(&log->consumer_count);
    int jobs = atomic_load(&log->job_count);
    if (producers == 0 && consumers == 0 && jobs == 0) return 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "%d job%s, %d producer%s and %d consumer%s on it are open: close them "
                          "first",
                          jobs, jobs == 1 ? "" : "s", producers, producers == 1 ? "" : "s",
                          consumers, consumers == 1 ? "" : "s");
}

int weir_close(struct weir_log *log, struct weir_error *error)
{
    if (log == NULL) return 0;
    int rc = weir_log_check(log, "weir_close", error);
    if (rc == 0) rc = weir_log_may_wait(log, "weir_close", error);
    if (rc < 0) return rc;
    rc = refuse_open_handles(log, error);
    if (rc < 0) return weir_error_wrap(error, rc, "close log '%s'", log->directory);

    struct weir_env *env = log->owns_env ? log->env : NULL;
    rc = log->ops->close(log->impl, error);
    if (rc == WEIR_CRASHED) return rc; /* the simulator takes the node's memory back, our log too */
    rc = weir_error_wrap(error, rc, "close log '%s'", log->directory);
    log->magic = 0;
    weir_free(log->directory);
    weir_free(log);
    weir_env_uv_free(env);
    return rc;
}
