/** `weir log verify`: is what is on the disk what should be there? */
#include "broker/log/verify.h"
#include "broker/engine/verify_directory.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/log_folder.h"
#include "cli/say.h"

struct values {
    bool is_quiet;
    bool is_json;
};

static const struct cli_option options[] = {
    {'q', "quiet", CLI_FLAG, offsetof(struct values, is_quiet), NULL, "only what is wrong"},
    {0, "json", CLI_FLAG, offsetof(struct values, is_json), NULL,
     "a line of JSON for each finding and each partition"},
};

static const char details[] =
    "Reads every segment, index, epoch and mark of a partition's folder, or of all in a data\n"
    "directory, without a lock and without changing a byte. What a server writes meanwhile may "
    "show\n"
    "as a tail.\n"
    "\n"
    "  DAMAGE  records are wrong or gone; the log is offline from there on. Of a data directory\n"
    "          also: meta.properties, partitions that the metadata knows and that are missing,\n"
    "          folders in each other's places.\n"
    "  tail    bytes above the durable mark that are no whole batch: the next open cuts them\n"
    "  tail or rot  the same, but what is cut was a whole batch, or has whole ones behind it: "
    "after\n"
    "          a loss of power it cannot be told from rot, so the bytes are kept beside as '.cut'\n"
    "  hint    an index, snapshot or text file is wrong: it comes back by itself\n"
    "\n"
    "Exit code 0: no damage (tails and hints do no harm); 1: damage, or it could not be read.\n"
    "'weir log repair' mends what is damaged and what no open mends by itself.\n";

struct verification {
    struct weir_env *env;
    const struct values *values;
    struct say_table table;
    const char *partition;
    size_t partition_count;
    int64_t damage_count;
};

static void json_field(const char *name, const char *text)
{
    printf("\"%s\":", name);
    say_json_text(stdout, weir_text(text));
}

static void say_finding_json(const struct verification *run,
                             const struct weir_verify_finding *finding)
{
    static const char *const kinds[] = {
        [WEIR_VERIFY_DAMAGE] = "damage",
        [WEIR_VERIFY_TAIL] = "tail",
        [WEIR_VERIFY_TAIL_OR_ROT] = "tail or rot",
        [WEIR_VERIFY_HINT] = "hint",
    };
    (void)putchar('{');
    json_field("partition", run->partition);
    (void)putchar(',');
    json_field("kind", kinds[finding->kind]);
    (void)putchar(',');
    json_field("file", finding->file);
    if (finding->offset >= 0) printf(",\"offset\":%" PRId64, finding->offset);
    (void)putchar(',');
    json_field("text", finding->text);
    (void)puts("}");
}

static const char *state_of(const struct weir_verify_summary *summary)
{
    return summary->damage_count > 0 ? "DAMAGED"
           : summary->rot_count > 0  ? "torn tail or rot"
           : summary->tail_count > 0 ? "torn tail"
           : summary->hint_count > 0 ? "hints"
                                     : "ok";
}

static void say_partition_json(const char *name, const struct weir_verify_summary *summary)
{
    (void)putchar('{');
    json_field("partition", name);
    printf(",\"start\":%" PRId64 ",\"end\":%" PRId64 ",\"batches\":%" PRId64 ",\"records\":%" PRId64
           ",\"bytes\":%" PRId64 ",",
           summary->start_offset, summary->end_offset, summary->batch_count, summary->record_count,
           summary->size_bytes);
    json_field("state", state_of(summary));
    (void)puts("}");
}

static void say_finding(void *context, const struct weir_verify_finding *finding)
{
    static const char *const kinds[] = {
        [WEIR_VERIFY_DAMAGE] = "DAMAGE",
        [WEIR_VERIFY_TAIL] = "tail",
        [WEIR_VERIFY_TAIL_OR_ROT] = "tail or rot",
        [WEIR_VERIFY_HINT] = "hint",
    };
    const struct verification *run = context;
    if (run->values->is_json) {
        say_finding_json(run, finding);
        return;
    }
    printf("%s: %s: %s: %s", kinds[finding->kind], run->partition, finding->file, finding->text);
    if (finding->offset >= 0) printf(", at offset %" PRId64, finding->offset);
    (void)putchar('\n');
}

static int verify_one(void *context, const char *path, const char *name, struct weir_error *error)
{
    struct verification *run = context;
    struct weir_verify_summary summary;
    char size[24];
    run->partition = name;
    int rc = weir_partition_log_verify(run->env, path, say_finding, run, &summary, error);
    if (rc < 0) return rc;
    run->partition_count++;
    run->damage_count += summary.damage_count;
    if (run->values->is_json) {
        if (!run->values->is_quiet) say_partition_json(name, &summary);
        return 0;
    }
    say_table_cell(&run->table, "%s", name);
    say_table_cell(&run->table, "%" PRId64, summary.start_offset);
    say_table_cell(&run->table, "%" PRId64, summary.end_offset);
    say_table_cell(&run->table, "%" PRId64, summary.batch_count);
    say_table_cell(&run->table, "%" PRId64, summary.record_count);
    say_table_cell(&run->table, "%s", say_size(size, summary.size_bytes));
    say_table_cell(&run->table, "%s", state_of(&summary));
    return 0;
}

static void say_directory_finding(void *context, const char *name, const char *text)
{
    struct verification *run = context;
    run->damage_count++;
    if (!run->values->is_json) {
        printf("DAMAGE: %s: %s\n", name, text);
        return;
    }
    (void)fputs("{\"kind\":\"damage\",", stdout);
    json_field("name", name);
    (void)putchar(',');
    json_field("text", text);
    (void)puts("}");
}

/* One partition's folder has no directory around it to be compared with. */
static int verify_directory(struct verification *run, const char *path, struct weir_error *error)
{
    char name[4096];
    struct weir_file_stat facts;
    (void)snprintf(name, sizeof name, "%s/meta.properties", path);
    if (weir_stat(run->env, name, &facts, NULL) < 0) return 0;
    return weir_data_directory_verify(run->env, path, say_directory_finding, run, error);
}

static int verify(struct verification *run, const char *path)
{
    struct weir_error error = {0};
    say_table_begin(&run->table, "PARTITION|>START|>END|>BATCHES|>RECORDS|>SIZE|STATE");
    int rc = log_folder_each(run->env, path, verify_one, run, &error);
    if (rc == 0 || rc == WEIR_NOT_FOUND) {
        int found = verify_directory(run, path, &error);
        if (found < 0 || run->damage_count > 0) rc = found;
    }
    if (run->values->is_quiet || run->values->is_json || run->partition_count == 0) {
        say_table_drop(&run->table); /* the names of the columns alone tell nothing */
    } else {
        say_table_end(&run->table, 0);
    }
    if (rc < 0) return say_failure(&error, NULL);
    int exit_code = say_flush();
    if (run->damage_count == 0) return exit_code;
    say_note("weir: %" PRId64
             " place%s damaged; 'weir log repair' mends what an open does not, 'weir log dump' "
             "shows what can be read",
             run->damage_count, run->damage_count == 1 ? " is" : "s are");
    return CLI_FAILED;
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    (void)cli;
    struct values values = {0};
    struct cli_operands operands;
    struct weir_error error = {0};
    struct verification run = {.values = &values};
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    struct weir_env_uv_options env_options = {0};
    if (weir_env_uv_new(&env_options, &run.env, &error) < 0) return say_failure(&error, NULL);
    exit_code = verify(&run, operands.items[0]);
    weir_env_uv_free(run.env);
    return exit_code;
}

const struct cli_command cli_log_verify = {
    .name = "log verify",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "check what is on the disk, without a server",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run_command,
};
