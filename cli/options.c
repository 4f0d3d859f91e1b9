/** Options and operands of one command, by the rows of its table. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/say.h"

struct parse {
    const struct cli_command *command;
    int argc;
    char **argv;
    int at;
    void *values;
    struct cli_operands *operands;
};

static const struct cli_option *find_name(const struct cli_command *command, const char *name,
                                          size_t size)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct cli_option *option = &command->options[i];
        if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) return option;
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *command, char letter)
{
    for (size_t i = 0; i < command->option_count; i++) {
        if (command->options[i].letter == letter) return &command->options[i];
    }
    return NULL;
}

static int unknown_name(const struct cli_command *command, const char *name)
{
    char word[80];
    size_t size = strcspn(name, "=");
    if (size >= sizeof word) size = sizeof word - 1;
    memcpy(word, name, size);
    word[size] = '\0';
    struct weir_nearest nearest = weir_nearest_to(word);
    weir_nearest_offer(&nearest, "help");
    for (size_t i = 0; i < command->option_count; i++) {
        if (command->options[i].text != NULL) {
            weir_nearest_offer(&nearest, command->options[i].name);
        }
    }
    if (nearest.found == NULL) {
        return say_usage(command->name, "%s has no option '--%s'", command->name, word);
    }
    return say_usage(command->name, "%s has no option '--%s': did you mean '--%s'?", command->name,
                     word, nearest.found);
}

static int store_number(const struct parse *parse, const struct cli_option *option,
                        const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0) {
        return say_usage(parse->command->name, "--%s takes a whole number, not '%s'", option->name,
                         text);
    }
    *(int64_t *)((char *)parse->values + option->field) = value;
    return 0;
}

static int store_flag(const struct parse *parse, const struct cli_option *option, const char *text)
{
    bool is_true = text == NULL || strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return say_usage(parse->command->name, "--%s is true or false, not '%s'", option->name,
                         text);
    }
    *(bool *)((char *)parse->values + option->field) = is_true;
    return 0;
}

static int store(const struct parse *parse, const struct cli_option *option, const char *text)
{
    void *field = (char *)parse->values + option->field;
    switch (option->kind) {
    case CLI_FLAG:
        return store_flag(parse, option, text);
    case CLI_TEXT:
        *(const char **)field = text;
        return 0;
    case CLI_NUMBER:
        return store_number(parse, option, text);
    case CLI_LIST: {
        struct cli_list *list = field;
        if (list->count == CLI_LIST_MAX) {
            return say_usage(parse->command->name, "--%s is given more than %d times", option->name,
                             CLI_LIST_MAX);
        }
        list->items[list->count++] = text;
        return 0;
    }
    }
    return 0;
}

/* The option's argument is the next word, whatever it looks like: `-o -10`. */
static int store_next(struct parse *parse, const struct cli_option *option)
{
    if (parse->at == parse->argc) {
        return say_usage(parse->command->name, "--%s needs %s behind it", option->name,
                         option->argument);
    }
    return store(parse, option, parse->argv[parse->at++]);
}

static int parse_name(struct parse *parse, const char *name)
{
    const char *equal = strchr(name, '=');
    size_t size = equal != NULL ? (size_t)(equal - name) : strlen(name);
    const struct cli_option *option = find_name(parse->command, name, size);
    if (option == NULL) return unknown_name(parse->command, name);
    if (equal != NULL) return store(parse, option, equal + 1);
    return option->kind == CLI_FLAG ? store(parse, option, NULL) : store_next(parse, option);
}

/* `-e`, `-n5`, `-n 5`, `-eq`. */
static int parse_letters(struct parse *parse, const char *letters)
{
    for (const char *at = letters; *at != '\0'; at++) {
        const struct cli_option *option = find_letter(parse->command, *at);
        if (option == NULL) {
            return say_usage(parse->command->name, "%s has no option '-%c'", parse->command->name,
                             *at);
        }
        if (option->kind != CLI_FLAG) {
            return at[1] != '\0' ? store(parse, option, at + 1) : store_next(parse, option);
        }
        int rc = store(parse, option, NULL);
        if (rc != 0) return rc;
    }
    return 0;
}

static int add_operand(struct parse *parse, const char *word)
{
    if (parse->operands->count == parse->command->operand_max) {
        return say_usage(parse->command->name, "%s takes %s%s, and '%s' is too much",
                         parse->command->name,
                         parse->command->operand_max == 0 ? "no operand" : "only ",
                         parse->command->operand_max == 0 ? "" : parse->command->operands, word);
    }
    parse->operands->items[parse->operands->count++] = word;
    return 0;
}

static int parse_word(struct parse *parse, bool *only_operands)
{
    const char *word = parse->argv[parse->at++];
    if (*only_operands || word[0] != '-' || word[1] == '\0') return add_operand(parse, word);
    if (strcmp(word, "--") == 0) {
        *only_operands = true;
        return 0;
    }
    if (word[1] == '-') return parse_name(parse, word + 2);
    return parse_letters(parse, word + 1);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

int cli_options_parse(const struct cli_command *command, int argc, char **argv, void *values,
                      struct cli_operands *operands_out, int *exit_out)
{
    struct parse parse = {
        .command = command,
        .argc = argc,
        .argv = argv,
        .values = values,
        .operands = operands_out,
    };
    *operands_out = (struct cli_operands){0};
    if (asks_for_help(argc, argv)) {
        cli_help_command(command);
        *exit_out = say_flush();
        return WEIR_END;
    }
    bool only_operands = false;
    int rc = 0;
    while (rc == 0 && parse.at < argc) {
        rc = parse_word(&parse, &only_operands);
    }
    if (rc == 0 && operands_out->count < command->operand_min) {
        rc = say_usage(command->name, "%s needs %s", command->name, command->operands);
    }
    *exit_out = rc;
    return rc;
}

/* ---- the line once more ---------------------------------------------------------------------- */

struct reprint {
    FILE *to;
    const struct cli_command *command;
    const struct cli_option *without;
    int argc;
    char **argv;
    int at;
};

static void put_word(const struct reprint *reprint, const char *word)
{
    char quoted[SAY_WORD_SIZE];
    (void)fprintf(reprint->to, " %s", say_word(quoted, sizeof quoted, word));
}

/* An option's argument is the next word, whatever it looks like. */
static void put_argument(struct reprint *reprint, const struct cli_option *option, bool has_own)
{
    bool takes_next = option->kind != CLI_FLAG && !has_own && reprint->at < reprint->argc;
    if (takes_next) put_word(reprint, reprint->argv[reprint->at++]);
}

static void put_name(struct reprint *reprint, const char *word)
{
    const char *equal = strchr(word, '=');
    size_t size = equal != NULL ? (size_t)(equal - word) : strlen(word);
    const struct cli_option *option = find_name(reprint->command, word + 2, size - 2);
    if (option == NULL || option == reprint->without) return;
    put_word(reprint, word);
    put_argument(reprint, option, equal != NULL);
}

/* Of several letters behind one dash the others stay. */
static void put_letters(struct reprint *reprint, const char *word)
{
    char kept[SAY_WORD_SIZE] = "-";
    size_t size = 1;
    const struct cli_option *option = NULL;
    const char *at = word + 1;
    for (; *at != '\0' && size + 1 < sizeof kept; at++) {
        option = find_letter(reprint->command, *at);
        if (option == NULL) return;
        if (option != reprint->without) kept[size++] = *at;
        if (option->kind != CLI_FLAG) break;
    }
    bool has_own = option != NULL && option->kind != CLI_FLAG && at[1] != '\0';
    (void)snprintf(kept + size, sizeof kept - size, "%s", has_own ? at + 1 : "");
    if (size == 1) return;
    put_word(reprint, kept);
    put_argument(reprint, option, has_own);
}

void cli_print_without(FILE *to, const struct cli_command *command, int argc, char **argv,
                       const char *flag)
{
    struct reprint reprint = {
        .to = to,
        .command = command,
        .without = find_name(command, flag, strlen(flag)),
        .argc = argc,
        .argv = argv,
    };
    bool only_operands = false;
    (void)fprintf(to, "weir %s", command->name);
    while (reprint.at < argc) {
        const char *word = argv[reprint.at++];
        bool is_option = !only_operands && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--") == 0) {
            only_operands = true;
            put_word(&reprint, word);
        } else if (!is_option) {
            put_word(&reprint, word);
        } else if (word[1] == '-') {
            put_name(&reprint, word);
        } else {
            put_letters(&reprint, word);
        }
    }
}

/* ---- key=value ------------------------------------------------------------------------------- */

bool cli_split(const char *text, char separator, char *room, size_t room_size, const char **key_out,
               const char **value_out)
{
    const char *at = strchr(text, separator);
    size_t size = strlen(text);
    if (at == NULL || at == text || size >= room_size) return false;
    memcpy(room, text, size + 1);
    room[at - text] = '\0';
    *key_out = room;
    *value_out = room + (at - text) + 1;
    return true;
}

int cli_configs_parse(const struct cli_list *list, struct cli_configs *configs_out,
                      struct weir_error *error)
{
    size_t used = 0;
    configs_out->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct weir_config *row = &configs_out->rows[i];
        if (!cli_split(list->items[i], '=', configs_out->room + used,
                       sizeof configs_out->room - used, &row->key, &row->value)) {
            return weir_error_set(error, WEIR_INVALID_CONFIG,
                                  "'%.64s' is no setting: it takes the form key=value",
                                  list->items[i]);
        }
        used += strlen(list->items[i]) + 1;
    }
    return 0;
}
