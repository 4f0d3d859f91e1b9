/** `weir group watch`: the lag again and again, with the rates between. */
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/group_view.h"
#include "cli/interrupt.h"
#include "cli/say.h"

struct values {
    struct place_target target;
    int64_t rounds; /* INT64_MAX: until it is interrupted */
    int64_t interval_s;
};

static const struct cli_option options[] = {
    {'i', "interval", CLI_NUMBER, offsetof(struct values, interval_s), "SECONDS",
     "from look to look (default: 2)"},
    {'n', "num", CLI_NUMBER, offsetof(struct values, rounds), "N",
     "stop after N looks (default: at Ctrl-C)"},
    PLACE_OPTIONS(struct values),
};

static const char details[] =
    "READ and WRITTEN are records a second, since the oldest of the last 16 looks: members commit\n"
    "every few seconds, so what one look shows alone says little. CATCH-UP is when the lag is gone "
    "if\n"
    "both go on like that. A group that there is none of yet is waited for. On a terminal names "
    "are\n"
    "cut to its width; 'weir group describe' has them whole.\n";

enum { INTERVAL_MAX_S = 86400, LOOKS_MAX = 16 };
/* A terminal of fewer columns is narrow; lines beside the rows: two heads, the sum, what is hidden, the cursor. */
enum { WIDE_MIN = 110, AROUND = 5 };

/* One look: the group, and when. */
struct look {
    struct weir_arena arena;
    struct group_view view;
    int64_t at_ms;  /* monotonic */
    bool is_absent; /* there was no such group */
};

struct watch {
    const struct values *values;
    struct place *place;
    const char *group;
    struct interrupt interrupt;
    struct look looks[LOOKS_MAX]; /* a ring */
    int64_t count;                /* looks taken, ever */
    bool is_narrow;               /* the terminal: without offsets */
};

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct look *look_at(struct watch *watch, int64_t number)
{
    return &watch->looks[number % LOOKS_MAX];
}

/* ---- rates ----------------------------------------------------------------------------------- */

static const struct group_row *find_row(const struct group_view *view, const struct group_row *of)
{
    for (size_t i = 0; i < view->row_count; i++) {
        const struct group_row *row = &view->rows[i];
        if (row->partition == of->partition && strcmp(row->topic, of->topic) == 0) return row;
    }
    return NULL;
}

static bool is_known(const struct group_row *row)
{
    return row->committed >= 0 && row->end >= 0;
}

/* The oldest look that knows this partition. */
static struct lag_sample oldest_sample(struct watch *watch, const struct group_row *of)
{
    int64_t first = watch->count > LOOKS_MAX ? watch->count - LOOKS_MAX : 0;
    for (int64_t i = first; i < watch->count; i++) {
        const struct look *look = look_at(watch, i);
        const struct group_row *row = find_row(&look->view, of);
        if (row == NULL || !is_known(row)) continue;
        return (struct lag_sample){look->at_ms, row->committed, row->end};
    }
    return (struct lag_sample){0};
}

/* ---- what is shown --------------------------------------------------------------------------- */

static void add_trend(struct say_table *table, const struct lag_trend *trend)
{
    char outlook[LAG_TEXT_SIZE];
    if (trend->has_rates) {
        say_table_cell(table, "%.1f", trend->read_rate);
        say_table_cell(table, "%.1f", trend->write_rate);
    } else {
        say_table_cell(table, "-");
        say_table_cell(table, "-");
    }
    say_table_cell(table, "%s", lag_outlook_text(outlook, trend));
}

/* Where a terminal has no room for all partitions, those that lag most: their lags are above `above`, and as many as
 * `equal` that are just that. */
struct choice {
    int64_t above;
    size_t equal;
    size_t hidden;
};

static int compare_lags(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left < right) - (left > right);
}

static struct choice choose_rows(struct look *look, size_t room)
{
    const struct group_view *view = &look->view;
    struct choice choice = {.above = INT64_MIN};
    int64_t *lags = weir_arena_array(&look->arena, view->row_count + 1, sizeof *lags);
    if (room >= view->row_count || lags == NULL) return choice;
    for (size_t i = 0; i < view->row_count; i++) {
        lags[i] = view->rows[i].lag;
    }
    qsort(lags, view->row_count, sizeof *lags, compare_lags);
    choice.above = lags[room];
    choice.hidden = view->row_count - room;
    for (choice.equal = room; choice.equal > 0 && lags[room - choice.equal] > choice.above;) {
        choice.equal--;
    }
    return choice;
}

static bool is_chosen(struct choice *choice, const struct group_row *row)
{
    if (row->lag != choice->above) return row->lag > choice->above;
    if (choice->equal == 0) return false;
    choice->equal--;
    return true;
}

/* Of all partitions together; `sum` is what was added up of both. */
struct total {
    struct lag_sample first;
    struct lag_sample now;
    size_t count;
};

static void add_row(struct watch *watch, struct say_table *table, const struct look *look,
                    const struct group_row *row, bool is_shown, struct total *total)
{
    struct lag_trend trend = {.outlook = LAG_NOT_KNOWN_YET};
    char behind[LAG_TEXT_SIZE];
    if (is_known(row)) {
        struct lag_sample first = oldest_sample(watch, row);
        struct lag_sample now = {look->at_ms, row->committed, row->end};
        trend = lag_trend_of(&first, &now);
        total->first.committed += first.committed;
        total->first.end += first.end;
        total->now.committed += now.committed;
        total->now.end += now.end;
        if (total->count++ == 0 || first.at_ms < total->first.at_ms)
            total->first.at_ms = first.at_ms;
        total->now.at_ms = now.at_ms;
    }
    if (!is_shown) return;
    say_table_cell(table, "%s", row->topic);
    say_table_cell(table, "%d", (int)row->partition);
    if (!watch->is_narrow) {
        say_table_number(table, row->committed);
        say_table_number(table, row->end);
    }
    say_table_number(table, row->lag);
    say_table_cell(table, "%s", lag_time_text(behind, row->lag_ms));
    add_trend(table, &trend);
    say_table_cell(table, "%s", row->owner != NULL ? row->owner->id : "-");
}

/* The first line of a look; a terminal shows the last look only. */
static void print_time(const struct watch *watch)
{
    char time[32];
    time_t now = (time_t)(group_now_ms() / 1000);
    struct tm parts;
    (void)strftime(time, sizeof time, "%T", gmtime_r(&now, &parts));
    if (isatty(STDOUT_FILENO)) (void)fputs("\033[H\033[2J", stdout);
    if (!isatty(STDOUT_FILENO) && watch->count > 1) (void)puts("");
    printf("%sZ group %s", time, watch->group);
}

/* One that its first member is about to make, or a name that is written wrongly. */
static void print_absence(struct watch *watch, struct look *look)
{
    const char *nearest = place_nearest_group(watch->place, &look->arena, watch->group);
    print_time(watch);
    (void)fputs(": there is none", stdout);
    if (nearest != NULL) printf("; did you mean '%s'?", nearest);
    (void)puts("");
}

static void print_look(struct watch *watch)
{
    struct look *look = look_at(watch, watch->count - 1);
    const struct place_group *group = &look->view.group;
    char behind[LAG_TEXT_SIZE];
    char lag[GROUP_LAG_SIZE];
    struct total total = {0};
    struct say_table table;
    print_time(watch);
    printf(", %s, %s, %zu member%s, %s\n", group_type_text(group), group->state,
           group->member_count, group->member_count == 1 ? "" : "s",
           group_lag_text(lag, &look->view));
    if (look->view.row_count == 0) return;
    size_t width;
    size_t height;
    say_terminal_size(&width, &height);
    struct choice choice = choose_rows(look, height > AROUND ? height - AROUND : SIZE_MAX);
    watch->is_narrow = width > 0 && width < WIDE_MIN;
    say_table_begin(
        &table,
        watch->is_narrow
            ? "TOPIC|>PARTITION|>LAG|>BEHIND|>READ|>WRITTEN|>CATCH-UP|MEMBER"
            : "TOPIC|>PARTITION|>COMMITTED|>END|>LAG|>BEHIND|>READ|>WRITTEN|>CATCH-UP|MEMBER");
    for (size_t i = 0; i < look->view.row_count; i++) {
        const struct group_row *row = &look->view.rows[i];
        add_row(watch, &table, look, row, is_chosen(&choice, row), &total);
    }
    if (total.count > 1) {
        struct lag_trend trend = lag_trend_of(&total.first, &total.now);
        say_table_cell(&table, "all");
        for (int blank = watch->is_narrow ? 1 : 3; blank > 0; blank--) {
            say_table_cell(&table, "%s", "");
        }
        say_table_number(&table, look->view.lag);
        say_table_cell(&table, "%s", lag_time_text(behind, look->view.lag_ms));
        add_trend(&table, &trend);
        say_table_cell(&table, "%s", "");
    }
    say_table_fit(&table, width);
    say_table_end(&table, 0);
    if (choice.hidden > 0) printf("and %zu more, none of which lags more\n", choice.hidden);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int take_look(struct watch *watch, struct weir_error *error)
{
    struct look *look = look_at(watch, watch->count);
    weir_arena_reset(&look->arena);
    look->view = (struct group_view){.group = {.name = watch->group}};
    int rc = group_view_load(
        watch->place, &look->arena,
        (struct group_view_wish){.with_members = true, .with_times = true, .with_others = true},
        &look->view, error);
    look->at_ms = monotonic_ms();
    look->is_absent = rc == WEIR_GROUP_ID_NOT_FOUND;
    if (rc < 0 && !look->is_absent) return rc;
    watch->count++;
    return 0;
}

static bool wait_for_next(const struct watch *watch)
{
    struct pollfd ask = {.fd = watch->interrupt.fd, .events = POLLIN};
    return poll(&ask, 1, (int)watch->values->interval_s * 1000) == 0;
}

static int watch_group(struct watch *watch)
{
    struct weir_error error = {0};
    for (;;) {
        if (take_look(watch, &error) < 0) {
            return place_say_group_failure(watch->place, watch->group, &error);
        }
        struct look *look = look_at(watch, watch->count - 1);
        bool is_last = watch->count >= watch->values->rounds;
        if (look->is_absent && is_last) {
            return place_say_group_failure(watch->place, watch->group, &error);
        }
        look->is_absent ? print_absence(watch, look) : print_look(watch);
        int exit_code = say_flush();
        if (exit_code != CLI_OK || say_is_broken() || is_last) return exit_code;
        if (!wait_for_next(watch)) return CLI_OK;
    }
}

static int check_values(const struct values *values, const struct cli_command *command)
{
    if (values->interval_s < 1 || values->interval_s > INTERVAL_MAX_S) {
        return say_usage(command->name, "--interval is %lld: from 1 to %d seconds",
                         (long long)values->interval_s, INTERVAL_MAX_S);
    }
    if (values->rounds < 1) {
        return say_usage(command->name, "--num is %lld: at least 1; without it, until Ctrl-C",
                         (long long)values->rounds);
    }
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct values values = {.rounds = INT64_MAX, .interval_s = 2};
    struct cli_operands operands;
    int exit_code;
    if (cli_options_parse(command, argc, argv, &values, &operands, &exit_code) != 0) {
        return exit_code;
    }
    exit_code = place_check_groups(command, &values, &operands);
    if (exit_code == CLI_OK) exit_code = check_values(&values, command);
    if (exit_code != CLI_OK) return exit_code;
    struct watch watch = {.values = &values, .group = operands.items[0]};
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        weir_arena_init(&watch.looks[i].arena, &cli->budget, 0);
    }
    watch.interrupt = interrupt_open(true);
    exit_code = place_open(cli, &values.target, &watch.place);
    if (exit_code == CLI_OK) exit_code = watch_group(&watch);
    place_close(watch.place);
    interrupt_close(&watch.interrupt);
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        weir_arena_close(&watch.looks[i].arena);
    }
    return exit_code;
}

const struct cli_command cli_group_watch = {
    .name = "group watch",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a group's lag again and again, with rates and when it has caught up",
    .details = details,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
