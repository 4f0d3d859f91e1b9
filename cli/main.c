/** `weir`: finds the command and runs it. `weir help` and `weir version` are here. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/nearest.h"
#include "cli/say.h"

static const struct cli_command *const commands[] = {
    &cli_server,           &cli_topic_create, &cli_topic_list,
    &cli_topic_describe,   &cli_topic_alter,  &cli_topic_add_partitions,
    &cli_topic_compact,    &cli_topic_delete, &cli_produce,
    &cli_consume,          &cli_group_list,   &cli_group_describe,
    &cli_group_watch,      &cli_group_reset,  &cli_group_delete,
    &cli_app_list,         &cli_app_describe, &cli_app_reset,
    &cli_app_release,      &cli_app_adopt,    &cli_topology_diff,
    &cli_log_dump,         &cli_log_verify,   &cli_log_repair,
    &cli_txn_list,         &cli_txn_describe, &cli_txn_abort,
    &cli_txn_find_hanging,
};
enum { COMMANDS = sizeof commands / sizeof commands[0], NAME_SIZE_MAX = 64 };

/* ---- help ------------------------------------------------------------------------------------ */

static void print_commands(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("  %-20s %s\n", commands[i]->name, commands[i]->summary);
    }
    printf("  %-20s %s\n", "help [COMMAND]", "all about one command");
    printf("  %-20s %s\n", "version", "this program's version");
}

static void print_help(void)
{
    (void)puts("weir: streams with their log built in\n\n"
               "usage: weir COMMAND [OPTION...]\n");
    print_commands();
    (void)puts(
        "\n"
        "Commands talk to a server (--brokers HOST:PORT, or $WEIR_BROKERS, or 127.0.0.1:9092),\n"
        "or open a data directory that no server holds (--data DIR). A first walk:\n\n"
        "  weir topic create greetings --data ./data\n"
        "  echo hello | weir produce greetings --data ./data\n"
        "  weir consume greetings --data ./data -f '%o %v\\n'\n"
        "  weir server --data ./data");
}

void cli_help_command(const struct cli_command *command)
{
    printf("weir %s: %s\n\nusage: weir %s%s%s [OPTION...]\n\n", command->name, command->summary,
           command->name, command->operands[0] != '\0' ? " " : "", command->operands);
    for (size_t i = 0; i < command->option_count; i++) {
        const struct cli_option *option = &command->options[i];
        if (option->text == NULL) continue;
        char left[64];
        char letter[8] = "    ";
        if (option->letter != 0) (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
                       option->argument != NULL ? " " : "",
                       option->argument != NULL ? option->argument : "");
        printf("  %-28s %s\n", left, option->text);
    }
    if (command->details != NULL) printf("\n%s", command->details);
}

/* ---- finding a command ----------------------------------------------------------------------- */

/* A name has one or two words; `used_out` says how many of `argv` it took. */
static const struct cli_command *find(int argc, char **argv, int *used_out)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name;
        const char *space = strchr(name, ' ');
        size_t size = space != NULL ? (size_t)(space - name) : strlen(name);
        if (argc < 1 || strlen(argv[0]) != size || memcmp(argv[0], name, size) != 0) continue;
        if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0)) continue;
        *used_out = space != NULL ? 2 : 1;
        return commands[i];
    }
    return NULL;
}

/* Is `word` the first of two words of some command? */
static bool is_group(const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, word, size) == 0 && name[size] == ' ') return true;
    }
    return false;
}

static void print_group(FILE *to, const char *group)
{
    size_t size = strlen(group);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strncmp(commands[i]->name, group, size) != 0 || commands[i]->name[size] != ' ')
            continue;
        (void)fprintf(to, "  weir %-20s %s\n", commands[i]->name, commands[i]->summary);
    }
}

static int list_group(const char *group)
{
    (void)fprintf(stderr, "weir: '%s' needs one of these behind it:\n", group);
    print_group(stderr, group);
    return CLI_USAGE;
}

static int help_group(const char *group)
{
    printf("usage: weir %s COMMAND [OPTION...]\n\n", group);
    print_group(stdout, group);
    printf("\n'weir help %s COMMAND' has all about one of them.\n", group);
    return say_flush();
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "version") == 0 || strcmp(word, "--version") == 0;
}

/* The one command that begins as what was written, or has it in its second word; NULL: none, or several. */
static const char *find_part(const char *written)
{
    enum { PART_MIN = 3 };
    const char *found = NULL;
    size_t group_size = strcspn(written, " ") + 1;
    if (strlen(written) < group_size + PART_MIN) return NULL;
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name;
        bool has_it = strncmp(name, written, group_size) == 0 &&
                      strstr(name + group_size, written + group_size) != NULL;
        if (has_it && found != NULL) return NULL;
        if (has_it) found = name;
    }
    return found;
}

static int unknown(int argc, char **argv)
{
    char written[NAME_SIZE_MAX];
    bool has_group = is_group(argv[0]);
    if (has_group && (argc < 2 || argv[1][0] == '-')) return list_group(argv[0]);
    if (has_group || (argc >= 2 && argv[1][0] != '-')) {
        (void)snprintf(written, sizeof written, "%s %s", argv[0], argv[1]);
    } else {
        (void)snprintf(written, sizeof written, "%s", argv[0]);
    }
    struct weir_nearest nearest = weir_nearest_to(written);
    struct weir_nearest first = weir_nearest_to(argv[0]);
    for (size_t i = 0; i < COMMANDS; i++) {
        weir_nearest_offer(&nearest, commands[i]->name);
        if (strchr(commands[i]->name, ' ') == NULL) weir_nearest_offer(&first, commands[i]->name);
    }
    weir_nearest_offer(&first, "help");
    weir_nearest_offer(&first, "version");
    const char *part = find_part(written);
    if (part != NULL) nearest.found = part;
    const char *found = nearest.found != NULL ? nearest.found : has_group ? NULL : first.found;
    if (found == NULL) {
        return say_usage(NULL, "there is no command '%s'", has_group ? written : argv[0]);
    }
    return say_usage(NULL, "there is no command '%s': did you mean '%s'?",
                     nearest.found != NULL ? written : argv[0], found);
}

static int help(int argc, char **argv)
{
    int used;
    if (argc == 0 || is_help(argv[0])) {
        print_help();
        return say_flush();
    }
    if (is_version(argv[0])) {
        (void)puts("usage: weir version");
        return say_flush();
    }
    const struct cli_command *command = find(argc, argv, &used);
    if (command == NULL && is_group(argv[0]) && argc == 1) return help_group(argv[0]);
    if (command == NULL) return unknown(argc, argv);
    cli_help_command(command);
    return say_flush();
}

static int run(int argc, char **argv)
{
    int used;
    if (argc == 0) {
        print_help();
        (void)say_flush();
        return CLI_USAGE;
    }
    if (is_help(argv[0])) return help(argc - 1, argv + 1);
    if (is_version(argv[0])) {
        (void)puts("weir " CLI_VERSION);
        return say_flush();
    }
    const struct cli_command *command = find(argc, argv, &used);
    if (command == NULL) {
        bool asks = argc > 1 && is_group(argv[0]) && is_help(argv[1]);
        return asks ? help_group(argv[0]) : unknown(argc, argv);
    }

    struct cli cli;
    weir_heap_init(&cli.heap, false);
    weir_budget_init(&cli.budget, "weir", &cli.heap, NULL, 0);
    return command->run(&cli, command, argc - used, argv + used);
}

/* A closed stdin, stdout or stderr would be the number of the next file that is opened, and be read or
 * written as such. What takes its place is empty to read, and an error to write. */
static void fill_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", O_RDONLY);
    }
}

/* As many files and connections as the system lets this process have: the usual soft limit is there for
 * programs that use select(2). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer it works too */
}

int main(int argc, char **argv)
{
    raise_descriptor_limit();
    fill_standard_files();
    (void)signal(SIGPIPE,
                 SIG_IGN); /* a reader that leaves must not keep a directory from closing */
    return run(argc - 1, argv + 1);
}
