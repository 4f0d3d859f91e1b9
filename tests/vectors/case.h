#ifndef WEIR_TESTS_VECTORS_CASE_H
#define WEIR_TESTS_VECTORS_CASE_H

#include <stdbool.h>
#include <stdio.h>
#include <weir.h>

/** A line of a vector file, as words. */
enum { WORDS_MAX = 64, LINE_SIZE_MAX = 1 << 16 };

struct line {
    char *text;             /* as it was read; owned */
    char *words[WORDS_MAX]; /* in a copy of it; owned by the first */
    size_t count;
    char *copy;
};

/** `case NAME` up to `end`. */
struct vector_case {
    char name[128];
    struct line *lines;
    size_t count;
    size_t capacity;
};

/** The next case of the file: 1; 0 at its end. Out of memory ends the program, as it may here. */
int case_read(FILE *file, struct vector_case *vector);
void case_close(struct vector_case *vector);

bool line_is(const struct line *line, const char *word);
/** The value of an option `name=value` anywhere behind the first word; NULL: it is not given. */
const char *line_option(const struct line *line, const char *name);
/** Words that are no options, from 0 (the first); NULL behind the last. */
const char *line_word(const struct line *line, size_t index);

/** A text of the vectors as bytes: `~` null, `%` empty, `%XX`, `!HEX`. `to` has room for the text. */
struct weir_slice text_decode(const char *text, uint8_t *to);
/** The other way round; `to` has room for three times the bytes and two more. */
const char *text_encode(struct weir_slice bytes, char *to);
const char *hex_encode(struct weir_slice bytes, char *to);

#endif
