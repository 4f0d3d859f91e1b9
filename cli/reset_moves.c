#include "cli/reset_moves.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/say.h"

int reset_move_decide(struct reset_move *move, struct place *place,
                      const struct reset_target *target, const struct reset_facts *facts,
                      struct weir_error *error)
{
    struct reset_facts known = *facts;
    int rc = 0;
    known.at_time = -1;
    if (target->kind == RESET_TIME) {
        rc = place->ops->offset_at(place, move->topic, move->partition, target->value,
                                   &known.at_time, error);
    }
    return rc < 0 ? rc : reset_decide(target, &known, &move->after, &move->bend, error);
}

void reset_moves_say_bends(const struct reset_move *moves, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = reset_bend_text(moves[i].bend);
        if (text == NULL) continue;
        say_note("'%s' partition %d: %s: %" PRId64 " is taken", moves[i].topic,
                 (int)moves[i].partition, text, moves[i].after);
    }
}

static void add_change(struct say_table *table, const struct reset_move *move)
{
    if (move->after < 0) {
        say_table_cell(table, "-");
    } else if (move->before < 0) {
        say_table_cell(table, "new");
    } else if (move->after == move->before) {
        say_table_cell(table, "0");
    } else {
        say_table_cell(table, "%+" PRId64, move->after - move->before);
    }
}

void reset_moves_print(const char *what, const struct reset_move *moves, size_t count)
{
    struct say_table table;
    char columns[64];
    if (count == 0) return;
    (void)snprintf(columns, sizeof columns, "%s|>PARTITION|>BEFORE|>AFTER|>CHANGE|>LAG", what);
    say_table_begin(&table, columns);
    for (size_t i = 0; i < count; i++) {
        const struct reset_move *move = &moves[i];
        say_table_cell(&table, "%s", move->topic);
        say_table_cell(&table, "%d", (int)move->partition);
        say_table_number(&table, move->before);
        say_table_number(&table, move->after);
        add_change(&table, move);
        say_table_number(&table, move->after >= 0 ? move->end - move->after : -1);
    }
    say_table_end(&table, 0);
}

static void put_number(const char *name, int64_t number)
{
    printf(", \"%s\": ", name);
    say_json_number(stdout, number);
}

void reset_moves_print_json(const struct reset_move *moves, size_t count)
{
    (void)putchar('[');
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "{\"topic\": " : ",\n  {\"topic\": ", stdout);
        say_json_text(stdout, weir_text(moves[i].topic));
        printf(", \"partition\": %d", (int)moves[i].partition);
        put_number("before", moves[i].before);
        put_number("after", moves[i].after);
        put_number("start", moves[i].start);
        put_number("end", moves[i].end);
        (void)putchar('}');
    }
    (void)putchar(']');
}

void reset_say_dry_run(const struct cli_command *command, int argc, char **argv)
{
    (void)say_flush(); /* below what it is about; who cannot be written to was found before */
    (void)fputs("nothing was changed: --dry-run shows it only. This does it:\n  ", stderr);
    cli_print_without(stderr, command, argc, argv, "dry-run");
    (void)fputc('\n', stderr);
}
