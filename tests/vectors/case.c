#include "tests/vectors/case.h"

#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct line line_of(const char *text)
{
    struct line line = {.text = need(strdup(text)), .copy = need(strdup(text))};
    char *rest = NULL;
    for (char *word = strtok_r(line.copy, " ", &rest); word != NULL && line.count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        line.words[line.count++] = word;
    }
    return line;
}

bool line_is(const struct line *line, const char *word)
{
    return strcmp(line->words[0], word) == 0;
}

/* `name=`, name of small letters and dots: what else has a "=" in it is a text. */
static size_t option_size(const char *word)
{
    size_t size = strspn(word, "abcdefghijklmnopqrstuvwxyz.");
    return size > 0 && word[size] == '=' ? size : 0;
}

const char *line_option(const struct line *line, const char *name)
{
    for (size_t i = 1; i < line->count; i++) {
        size_t size = option_size(line->words[i]);
        if (size == strlen(name) && strncmp(line->words[i], name, size) == 0) {
            return line->words[i] + size + 1;
        }
    }
    return NULL;
}

const char *line_word(const struct line *line, size_t index)
{
    size_t at = 0;
    for (size_t i = 0; i < line->count; i++) {
        if (i > 0 && option_size(line->words[i]) > 0) continue;
        if (at++ == index) return line->words[i];
    }
    return NULL;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void add_line(struct vector_case *vector, const char *text)
{
    if (vector->count == vector->capacity) {
        vector->capacity = vector->capacity > 0 ? 2 * vector->capacity : 64;
        vector->lines = need(realloc(vector->lines, vector->capacity * sizeof *vector->lines));
    }
    vector->lines[vector->count++] = line_of(text);
}

int case_read(FILE *file, struct vector_case *vector)
{
    static char text[LINE_SIZE_MAX];
    *vector = (struct vector_case){0};
    bool is_inside = false;
    while (fgets(text, sizeof text, file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        if (strncmp(text, "case ", 5) == 0) {
            if (strlen(text + 5) >= sizeof vector->name) abort();
            strcpy(vector->name, text + 5);
            is_inside = true;
        } else if (is_inside && strcmp(text, "end") == 0) {
            return 1;
        } else if (is_inside && text[0] != '#' && text[strspn(text, " ")] != '\0') {
            add_line(vector, text);
        }
    }
    return 0;
}

void case_close(struct vector_case *vector)
{
    for (size_t i = 0; i < vector->count; i++) {
        free(vector->lines[i].text);
        free(vector->lines[i].copy);
    }
    free(vector->lines);
    *vector = (struct vector_case){0};
}

/* ---- texts ----------------------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
    return found != NULL ? (int)((found - digits) % 16) : -1;
}

static uint8_t hex_byte(const char *digits)
{
    return (uint8_t)(hex_digit(digits[0]) << 4 | hex_digit(digits[1]));
}

struct weir_slice text_decode(const char *text, uint8_t *to)
{
    if (strcmp(text, "~") == 0) return weir_null();
    size_t size = 0;
    if (text[0] == '!') {
        for (const char *at = text + 1; at[0] != '\0' && at[1] != '\0'; at += 2) {
            to[size++] = hex_byte(at);
        }
        return weir_slice(to, size);
    }
    if (strcmp(text, "%") == 0) return weir_slice(to, 0);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '%' && at[1] != '\0' && at[2] != '\0') {
            to[size++] = hex_byte(at + 1);
            at += 2;
        } else {
            to[size++] = (uint8_t)*at;
        }
    }
    return weir_slice(to, size);
}

static bool is_plain(struct weir_slice bytes, size_t at)
{
    uint8_t byte = bytes.data[at];
    return byte > ' ' && byte < 127 && strchr("%~=", byte) == NULL && (byte != '!' || at > 0);
}

const char *text_encode(struct weir_slice bytes, char *to)
{
    if (weir_slice_is_null(bytes)) return strcpy(to, "~");
    if (bytes.size == 0) return strcpy(to, "%");
    char *at = to;
    for (size_t i = 0; i < bytes.size; i++) {
        if (is_plain(bytes, i)) {
            *at++ = (char)bytes.data[i];
        } else {
            at += sprintf(at, "%%%02X", bytes.data[i]);
        }
    }
    *at = '\0';
    return to;
}

const char *hex_encode(struct weir_slice bytes, char *to)
{
    if (weir_slice_is_null(bytes)) return strcpy(to, "~");
    if (bytes.size == 0) return strcpy(to, "%");
    for (size_t i = 0; i < bytes.size; i++) {
        (void)sprintf(to + 2 * i, "%02x", bytes.data[i]);
    }
    return to;
}
