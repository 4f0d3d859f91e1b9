#ifndef WEIR_CLI_SAY_H
#define WEIR_CLI_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "weir/error.h"
#include "weir/types.h"

/** How the program speaks: results on stdout, everything else on stderr. */

/** `weir: <error>` and, below it, what to do next (NULL: nothing). Returns CLI_FAILED. */
int say_failure(const struct weir_error *error, const char *next, ...) WEIR_PRINTF(2, 3);
/** A mistake in the call: `weir: <text>`, and where the help is. Returns CLI_USAGE. */
int say_usage(const char *command, const char *format, ...) WEIR_PRINTF(2, 3);
/** A remark, to stderr. */
void say_note(const char *format, ...) WEIR_PRINTF(1, 2);

/**
 * Everything on stdout is out, or why not: CLI_OK also when the reader has gone (`| head`), which
 * has what it wanted. Call it last, and where what is printed should be seen before a wait.
 */
int say_flush(void);
/** The reader of stdout has gone, or it cannot be written to: stop. */
bool say_is_broken(void);

/**
 * A table: cells are collected, and printed in columns that fit. On a terminal its head is bold.
 */
enum { SAY_TABLE_COLUMNS_MAX = 12 };
struct say_table {
    size_t column_count;
    bool is_right[SAY_TABLE_COLUMNS_MAX];
    char **cells;
    size_t cell_count;
    size_t capacity;
    bool failed;
};
/** Column names with '|' between; a name that begins with '>' is aligned to the right. */
void say_table_begin(struct say_table *table, const char *columns);
void say_table_cell(struct say_table *table, const char *format, ...) WEIR_PRINTF(2, 3);
/** A number, or "-" for one below 0: it is not known. */
void say_table_number(struct say_table *table, int64_t number);
/** Cut what stands to the left, its widest columns first, so that a line has no more than `width` characters, if that
 * can be; what was cut ends with a ~. 0: all of it. */
void say_table_fit(struct say_table *table, size_t width);
/** Columns and lines of the terminal that stdout is; 0 and 0: it is none. */
void say_terminal_size(size_t *width_out, size_t *height_out);
/** Print and free. `indent` blanks in front of each line. */
void say_table_end(struct say_table *table, int indent);

/** Free without printing. */
void say_table_drop(struct say_table *table);

/** "1.4 MiB", "512 B". Gives `to`. */
const char *say_size(char to[24], int64_t bytes);

/** A word as a shell reads it back: in single quotes unless it is plain. Gives `to`. */
enum { SAY_WORD_SIZE = 1024 };
const char *say_word(char *to, size_t size, const char *word);

/** `text` as a JSON string in quotes: bytes that are no UTF-8 become U+FFFD. */
void say_json_text(FILE *to, struct weir_slice text);
/** A number, or null for one below 0: it is not known. */
void say_json_number(FILE *to, int64_t number);

#endif
