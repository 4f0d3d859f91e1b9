/** `weir log repair`: put a damaged partition back in service, naming what is lost. */
#include "broker/log/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/engine/data_directory.h"
#include "cli/cli.h"
#include "cli/say.h"

enum { TOPIC_NAME_SIZE_MAX = 249 };

struct values {
    const char *give_up;
    bool is_dry_run;
};

static const struct cli_option options[] = {
    {0, "give-up", CLI_TEXT, offsetof(struct values, give_up), "FROM..TO",
     "the records at these offsets are lost; TO is the first that is not"},
    {'n', "dry-run", CLI_FLAG, offsetof(struct values, is_dry_run), NULL,
     "say what would be done, and do nothing"},
};

static const char details[] =
    "DIR is a data directory that nobody has open. Reads the whole partition and shows which\n"
    "offsets cannot be read; --give-up, with one of these ranges, gives them up: the offsets stay\n"
    "empty, what lies behind them keeps its own, and the bytes are kept beside the segment. Once\n"
    "nothing is damaged any more the partition is back in service with the next start.\n"
    "\n"
    "Exit code 0: nothing is damaged (any more); 1: damage is left, or it failed.\n";

struct job {
    struct weir_env *env;
    const struct values *values;
    const char *directory;
    const char *partition; /* "orders/0" */
    int32_t number;        /* 0 */
    struct weir_log_path folder;
    struct weir_data_directory *data; /* open */
    int64_t from;
    int64_t to;
};

/* ---- what is asked --------------------------------------------------------------------------- */

static bool parse_offset(const char **at, int64_t *offset_out)
{
    char *end;
    if (**at < '0' || **at > '9') return false;
    errno = 0;
    long long offset = strtoll(*at, &end, 10);
    if (errno != 0) return false;
    *offset_out = offset;
    *at = end;
    return true;
}

static bool parse_range(const char *text, int64_t *from_out, int64_t *to_out)
{
    if (!parse_offset(&text, from_out) || strncmp(text, "..", 2) != 0) return false;
    text += 2;
    return parse_offset(&text, to_out) && *text == '\0' && *from_out < *to_out;
}

/* "orders/0" is the folder "orders-0" of the log. */
static bool find_folder(struct job *job)
{
    const char *slash = strrchr(job->partition, '/');
    char name[TOPIC_NAME_SIZE_MAX + 16];
    bool is_name = slash != NULL && slash > job->partition && slash[1] != '\0' &&
                   slash[1 + strspn(slash + 1, "0123456789")] == '\0' && strlen(slash) < 12 &&
                   slash - job->partition <= TOPIC_NAME_SIZE_MAX &&
                   memchr(job->partition, '/', (size_t)(slash - job->partition)) == NULL;
    if (!is_name) return false;
    long long number = strtoll(slash + 1, NULL, 10);
    if (number > INT32_MAX) return false;
    job->number = (int32_t)number;
    (void)snprintf(name, sizeof name, "%.*s-%s", (int)(slash - job->partition), job->partition,
                   slash + 1);
    job->folder = weir_log_path(weir_log_path(job->directory, "log").text, name);
    return true;
}

/* ---- what is there --------------------------------------------------------------------------- */

static void print_count(const struct weir_damage_range *range)
{
    int64_t count = range->to - range->from;
    if (range->is_file_missing && range->is_at_end) {
        printf("nobody knows how many records"); /* the mark may not know of all that was in it */
    } else if (range->record_count >= 0) {
        printf("%" PRId64 " record%s", range->record_count, range->record_count == 1 ? "" : "s");
    } else {
        printf("at most %" PRId64 " record%s", count, count == 1 ? "" : "s");
    }
}

static size_t wrong_epoch_count(const struct weir_repair *repair)
{
    return repair->wrong_epochs.size / sizeof(struct weir_wrong_epoch);
}

static void print_state(const struct job *job, const struct weir_repair *repair)
{
    printf("%s: offsets %" PRId64 "..%" PRId64 ", %" PRId64 " records can be read\n",
           job->partition, repair->start_offset, repair->end_offset, repair->record_count);
    for (size_t i = 0; i < repair->range_count; i++) {
        const struct weir_damage_range *range = &repair->ranges[i];
        printf("  damaged: %" PRId64 "..%" PRId64 ", ", range->from, range->to);
        print_count(range);
        printf(", %" PRId64 " bytes at position %" PRId64 " of %020" PRId64 ".log: %s\n",
               range->size, range->position, range->base_offset, range->reason);
    }
    if (repair->range_count == WEIR_DAMAGE_RANGES_MAX) (void)puts("  (and perhaps more behind)");
    if (repair->is_mark_older) {
        (void)puts(
            "  the durable mark is an older one, which does not know the last segments; it is "
            "written anew from what is there when the repair ends");
    }
    for (size_t i = 0; i < wrong_epoch_count(repair); i++) {
        const struct weir_wrong_epoch *wrong =
            (const struct weir_wrong_epoch *)(const void *)repair->wrong_epochs.data + i;
        printf("  whole, but of another leader epoch than the log had: the batch of offset %" PRId64
               " at position %" PRId64 " of %020" PRId64 ".log; it is %" PRId32 " again when the "
               "repair ends\n",
               wrong->offset, wrong->position, wrong->base_offset, wrong->epoch);
    }
}

static void suggest(const struct job *job, const struct weir_damage_range *range)
{
    say_note("      the records there are lost with: weir log repair %s %s --give-up %" PRId64
             "..%" PRId64,
             job->directory, job->partition, range->from, range->to);
}

/* ---- what is done ---------------------------------------------------------------------------- */

static int refuse_range(const struct job *job, const struct weir_repair *repair)
{
    struct weir_error error = {0};
    if (repair->range_count == 0) {
        (void)weir_error_set(&error, WEIR_INVALID_ARGUMENT,
                             "%s has no damage to give up; nothing was changed", job->partition);
        return say_failure(&error, NULL);
    }
    (void)weir_error_set(&error, WEIR_INVALID_ARGUMENT,
                         "%" PRId64 "..%" PRId64 " is not what is damaged in %s; nothing was "
                         "changed",
                         job->from, job->to, job->partition);
    int exit_code = say_failure(&error, NULL);
    suggest(job, &repair->ranges[0]);
    return exit_code;
}

static const struct weir_damage_range *asked_range(const struct job *job,
                                                   const struct weir_repair *repair)
{
    for (size_t i = 0; i < repair->range_count; i++) {
        const struct weir_damage_range *range = &repair->ranges[i];
        if (range->from == job->from && range->to == job->to) return range;
    }
    return NULL;
}

/* The next open will not take the directory for one that was closed: every leader epoch rises, so
 * that readers and producers ask where the log ends. */
static int begin(const struct job *job)
{
    struct weir_error error = {0};
    int rc = weir_data_directory_begin(job->data, &error);
    if (rc < 0) (void)say_failure(&error, NULL);
    if (rc == 0) job->data->was_clean = false; /* once is enough */
    return rc;
}

/* After the survey: nothing is damaged, or something is left for the operator to name. */
static int conclude(const struct job *job, struct weir_repair *repair)
{
    struct weir_error error = {0};
    print_state(job, repair);
    int exit_code = say_flush();
    if (repair->range_count > 0) {
        suggest(job, &repair->ranges[0]);
        return CLI_FAILED;
    }
    if (!repair->has_damage_file && !repair->is_mark_older && wrong_epoch_count(repair) == 0) {
        printf("%s: nothing is damaged\n", job->partition);
        return say_flush();
    }
    if (job->values->is_dry_run) return exit_code;
    if (begin(job) < 0) return CLI_FAILED;
    if (weir_repair_finish(repair, &error) < 0) return say_failure(&error, NULL);
    printf("%s: nothing is damaged any more; in service with the next start\n", job->partition);
    return say_flush();
}

static int give_up(const struct job *job, struct weir_repair *repair)
{
    struct weir_error error = {0};
    char kept[WEIR_CUT_NAME_SIZE] = "";
    const struct weir_damage_range *range = asked_range(job, repair);
    if (range == NULL) return refuse_range(job, repair);
    print_state(job, repair);
    printf("%s: giving up %" PRId64 "..%" PRId64 ": ", job->partition, range->from, range->to);
    print_count(range);
    printf(", %" PRId64 " bytes%s\n", range->size,
           range->is_at_end ? "; nothing lies behind them, the log ends there"
                            : "; what lies behind them stays");
    if (job->values->is_dry_run) {
        (void)puts("(dry run: nothing was changed)");
        return say_flush();
    }
    if (begin(job) < 0) return CLI_FAILED;
    if (weir_repair_give_up(repair, range, kept, &error) < 0) return say_failure(&error, NULL);
    if (kept[0] != '\0')
        printf("%s: the bytes are kept in %s/%s\n", job->partition, job->folder.text, kept);
    weir_repair_close(repair);
    if (weir_repair_open(repair, job->env, job->folder.text, job->number, &error) < 0) {
        *repair = (struct weir_repair){0};
        return say_failure(&error, NULL);
    }
    return conclude(job, repair);
}

static int repair_folder(const struct job *job)
{
    struct weir_error error = {0};
    struct weir_repair *repair = calloc(1, sizeof *repair);
    if (repair == NULL) {
        (void)weir_error_set(&error, WEIR_NO_MEMORY, "out of memory");
        return say_failure(&error, NULL);
    }
    int exit_code;
    if (weir_repair_open(repair, job->env, job->folder.text, job->number, &error) < 0) {
        exit_code = say_failure(&error, NULL);
    } else {
        exit_code = job->values->give_up != NULL ? give_up(job, repair) : conclude(job, repair);
        weir_repair_close(repair);
    }
    free(repair);
    return exit_code;
}

static int with_directory(struct job *job)
{
    struct weir_error error = {0};
    struct weir_data_directory directory = {0};
    struct weir_file_stat stat;
    struct weir_log_path meta = weir_log_path(job->directory, "meta.properties");
    int rc = weir_stat(job->env, meta.text, &stat, NULL);
    if (rc < 0) {
        (void)weir_error_set(&error, WEIR_INVALID_ARGUMENT,
                             "'%s' is no data directory: it has no meta.properties",
                             job->directory);
        return say_failure(&error, NULL);
    }
    rc = weir_stat(job->env, job->folder.text, &stat, NULL);
    if (rc < 0) {
        (void)weir_error_set(&error, WEIR_NOT_FOUND, "there is no folder '%s'", job->folder.text);
        return say_failure(&error, NULL);
    }
    rc = weir_data_directory_open(&directory, job->env, job->directory, &error);
    if (rc < 0) return say_failure(&error, NULL);
    job->data = &directory;
    int exit_code = repair_folder(job);
    weir_data_directory_close(&directory);
    return exit_code;
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    (void)cli;
    struct values values = {0};
    struct cli_operands operands;
    struct weir_error error = {0};
    struct job job = {.values = &values};
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    job.directory = operands.items[0];
    job.partition = operands.items[1];
    if (strlen(job.directory) > WEIR_DATA_DIRECTORY_PATH_MAX || !find_folder(&job)) {
        return say_usage("log repair", "'%s' is no partition; 'orders/0' is one", job.partition);
    }
    if (values.give_up != NULL && !parse_range(values.give_up, &job.from, &job.to)) {
        return say_usage("log repair",
                         "'%s' is no range of offsets; 40..43 are the offsets 40, 41 and 42",
                         values.give_up);
    }
    struct weir_env_uv_options env_options = {0};
    if (weir_env_uv_new(&env_options, &job.env, &error) < 0) return say_failure(&error, NULL);
    exit_code = with_directory(&job);
    weir_env_uv_free(job.env);
    return exit_code;
}

const struct cli_command cli_log_repair = {
    .name = "log repair",
    .operands = "DIR TOPIC/PARTITION",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "give up records that cannot be read, by name",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
