/** Bytes shown as numbers, declared structs and windowed keys. */
#include "cli/typed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "cli/say.h"

enum { FIELDS_MAX = 256, DEPTH_MAX = 8, WINDOW_START_SIZE = 8 };

/* ---- types out of text ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum typed_kind kind;
    size_t width;
    bool is_field; /* a declared struct may have it */
    bool is_alone; /* a value by itself may be it */
} kinds[] = {
    {"i8", TYPED_SIGNED, 1, false, true},
    {"i16", TYPED_SIGNED, 2, false, true},
    {"i32", TYPED_SIGNED, 4, true, true},
    {"i64", TYPED_SIGNED, 8, true, true},
    {"u8", TYPED_UNSIGNED, 1, false, true},
    {"u16", TYPED_UNSIGNED, 2, false, true},
    {"u32", TYPED_UNSIGNED, 4, false, true},
    {"u64", TYPED_UNSIGNED, 8, false, true},
    {"f32", TYPED_FLOAT, 4, false, true},
    {"f64", TYPED_FLOAT, 8, true, true},
    {"bool", TYPED_BOOL, 1, true, false},
    {"text", TYPED_TEXT, 0, true, false},
    {"slice", TYPED_SLICE, 0, true, false},
    {"windowed", TYPED_WINDOWED, 0, false, true},
    {"windowed-changelog", TYPED_WINDOWED, 4, false, true},
};

static bool take_word(struct weir_slice *rest, const char *word)
{
    size_t size = strlen(word);
    if (rest->size < size || memcmp(rest->data, word, size) != 0) return false;
    *rest = weir_slice(rest->data + size, rest->size - size);
    return true;
}

/* The size of what stands before the next of `ends`. */
static size_t span(struct weir_slice text, const char *ends)
{
    size_t size = 0;
    while (size < text.size && strchr(ends, text.data[size]) == NULL) {
        size++;
    }
    return size;
}

static int malformed(struct weir_slice rest, const char *what, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s at '%.*s'", what,
                          (int)(rest.size < 40 ? rest.size : 40), (const char *)rest.data);
}

static int parse_simple(struct weir_slice word, bool is_field, struct typed *typed)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct weir_slice rest = word;
        if (!(is_field ? kinds[i].is_field : kinds[i].is_alone)) continue;
        if (!take_word(&rest, kinds[i].name)) continue;
        bool is_number = kinds[i].kind <= TYPED_FLOAT;
        bool is_little = is_number && !is_field && weir_slice_equal(rest, weir_text("le"));
        if (rest.size > 0 && !is_little) continue;
        typed->kind = kinds[i].kind;
        typed->width = kinds[i].width;
        typed->is_little = is_little;
        return 0;
    }
    return WEIR_NOT_FOUND;
}

static int parse_struct(struct weir_slice *rest, int depth, struct weir_arena *arena,
                        struct typed *typed, struct weir_error *error);

/* `name:type`, as much of `rest` as it takes. */
static int parse_field(struct weir_slice *rest, int depth, struct weir_arena *arena,
                       struct typed *field, struct weir_error *error)
{
    size_t size = span(*rest, ":,[]");
    if (size == 0 || size == rest->size || rest->data[size] != ':') {
        return malformed(*rest, "a field is NAME:TYPE", error);
    }
    field->name = weir_slice(rest->data, size);
    *rest = weir_slice(rest->data + size + 1, rest->size - size - 1);
    if (take_word(rest, "struct[")) return parse_struct(rest, depth + 1, arena, field, error);
    size = span(*rest, ",]");
    if (parse_simple(weir_slice(rest->data, size), true, field) < 0) {
        return malformed(*rest, "a field's type is bool, i32, i64, f64, text, slice or struct[...]",
                         error);
    }
    *rest = weir_slice(rest->data + size, rest->size - size);
    return 0;
}

/* Behind `struct[`, up to and with its bracket. */
static int parse_struct(struct weir_slice *rest, int depth, struct weir_arena *arena,
                        struct typed *typed, struct weir_error *error)
{
    struct typed *fields = weir_arena_array(arena, FIELDS_MAX, sizeof *fields);
    if (fields == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    if (depth > DEPTH_MAX) return malformed(*rest, "structs lie too deep", error);
    size_t count = 0;
    do {
        if (count == FIELDS_MAX) return malformed(*rest, "a struct has too many fields", error);
        fields[count] = (struct typed){0};
        int rc = parse_field(rest, depth, arena, &fields[count++], error);
        if (rc < 0) return rc;
    } while (take_word(rest, ","));
    if (!take_word(rest, "]")) return malformed(*rest, "a struct ends with a bracket", error);
    typed->kind = TYPED_STRUCT;
    typed->fields = fields;
    typed->field_count = count;
    return 0;
}

int typed_parse(struct weir_slice word, struct weir_arena *arena, struct typed *typed_out,
                struct weir_error *error)
{
    struct typed typed = {0};
    struct weir_slice rest = word;
    int rc = parse_simple(word, false, &typed);
    if (rc == WEIR_NOT_FOUND && take_word(&rest, "struct[")) {
        rc = parse_struct(&rest, 1, arena, &typed, error);
        if (rc == 0 && rest.size > 0) rc = malformed(rest, "nothing comes behind a struct", error);
    }
    if (rc == 0) *typed_out = typed;
    return rc;
}

/* ---- bytes shown ----------------------------------------------------------------------------- */

static uint64_t load(const struct typed *typed, const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < typed->width; i++) {
        bits = bits << 8 | bytes[typed->is_little ? typed->width - 1 - i : i];
    }
    return bits;
}

/* The shortest text that reads back as the same number. */
static void print_double(double value, int digits, int digits_max, struct weir_buffer *to)
{
    char text[40];
    for (; digits <= digits_max; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (digits_max < 10 ? (float)back == (float)value : back == value) break;
    }
    weir_buffer_append(to, text, strlen(text));
}

static void print_number(const struct typed *typed, const uint8_t *bytes, struct weir_buffer *to)
{
    char text[32];
    uint64_t bits = load(typed, bytes);
    uint32_t half = (uint32_t)bits;
    double wide;
    float narrow;
    switch (typed->kind) {
    case TYPED_SIGNED: {
        unsigned unused = 64 - 8 * (unsigned)typed->width;
        (void)snprintf(text, sizeof text, "%" PRId64, (int64_t)(bits << unused) >> unused);
        weir_buffer_append(to, text, strlen(text));
        break;
    }
    case TYPED_UNSIGNED:
        (void)snprintf(text, sizeof text, "%" PRIu64, bits);
        weir_buffer_append(to, text, strlen(text));
        break;
    case TYPED_FLOAT:
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &half, sizeof narrow);
        if (typed->width == 8) {
            print_double(wide, 15, 17, to);
        } else {
            print_double((double)narrow, 6, 9, to);
        }
        break;
    case TYPED_BOOL:
    case TYPED_TEXT:
    case TYPED_SLICE:
    case TYPED_STRUCT:
    case TYPED_WINDOWED:
        weir_assert(!"a number");
    }
}

static void print_unknown(struct weir_slice bytes, struct weir_buffer *to)
{
    weir_buffer_append(to, "?", 1);
    for (size_t i = 0; i < bytes.size; i++) {
        char pair[3];
        (void)snprintf(pair, sizeof pair, "%02x", bytes.data[i]);
        weir_buffer_append(to, pair, 2);
    }
}

static void print_json_text(struct weir_slice text, struct weir_buffer *to)
{
    char *quoted = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&quoted, &size);
    if (stream == NULL) {
        to->failed = true;
        return;
    }
    say_json_text(stream, text);
    if (fclose(stream) != 0) to->failed = true;
    weir_buffer_append(to, quoted, size);
    free(quoted);
}

/* ---- structs --------------------------------------------------------------------------------- */

static bool take_bytes(struct weir_slice *rest, size_t size, struct weir_slice *taken_out)
{
    if (rest->size < size) return false;
    *taken_out = weir_slice(rest->data, size);
    *rest = weir_slice(rest->data + size, rest->size - size);
    return true;
}

/* An unsigned LEB128 of at most 32 bits. */
static bool take_varint(struct weir_slice *rest, uint32_t *value_out)
{
    uint64_t value = 0;
    struct weir_slice byte;
    for (int shift = 0; shift < 35 && take_bytes(rest, 1, &byte); shift += 7) {
        value |= (uint64_t)(byte.data[0] & 0x7f) << shift;
        if ((byte.data[0] & 0x80) != 0) continue;
        *value_out = (uint32_t)value;
        return value <= UINT32_MAX;
    }
    return false;
}

static bool print_fields(const struct typed *typed, struct weir_slice *rest, bool may_end,
                         struct weir_buffer *to);

static bool print_text(enum typed_kind kind, struct weir_slice *rest, struct weir_buffer *to)
{
    uint32_t size;
    struct weir_slice text;
    if (!take_varint(rest, &size)) return false;
    if (kind == TYPED_SLICE && size == 0) {
        weir_buffer_append(to, "null", 4);
        return true;
    }
    if (!take_bytes(rest, kind == TYPED_SLICE ? size - 1 : size, &text)) return false;
    print_json_text(text, to);
    return true;
}

static bool print_field(const struct typed *field, struct weir_slice *rest, struct weir_buffer *to)
{
    struct weir_slice bytes;
    if (field->kind == TYPED_STRUCT) return print_fields(field, rest, false, to);
    if (field->kind == TYPED_TEXT || field->kind == TYPED_SLICE) {
        return print_text(field->kind, rest, to);
    }
    if (!take_bytes(rest, field->width, &bytes)) return false;
    if (field->kind == TYPED_BOOL) {
        const char *word = bytes.data[0] != 0 ? "true" : "false";
        weir_buffer_append(to, word, strlen(word));
    } else {
        print_number(field, bytes.data, to);
    }
    return true;
}

/* `may_end`: an older version has fewer fields, and ends behind the last it has. */
static bool print_fields(const struct typed *typed, struct weir_slice *rest, bool may_end,
                         struct weir_buffer *to)
{
    weir_buffer_append(to, "{", 1);
    for (size_t i = 0; i < typed->field_count && !(may_end && rest->size == 0); i++) {
        if (i > 0) weir_buffer_append(to, ",", 1);
        print_json_text(typed->fields[i].name, to);
        weir_buffer_append(to, ":", 1);
        if (!print_field(&typed->fields[i], rest, to)) return false;
    }
    weir_buffer_append(to, "}", 1);
    return true;
}

static void print_struct(const struct typed *typed, struct weir_slice bytes, struct weir_buffer *to)
{
    size_t before = to->size;
    struct weir_slice rest = bytes;
    struct weir_slice version;
    bool is_good = take_bytes(&rest, 1, &version) && version.data[0] != 0 &&
                   print_fields(typed, &rest, true, to);
    if (is_good && rest.size == 0) return;
    to->size = before;
    print_unknown(bytes, to);
}

/* ---- windowed keys --------------------------------------------------------------------------- */

static void print_windowed(const struct typed *typed, struct weir_slice bytes,
                           struct weir_buffer *to)
{
    static const uint8_t sequence[8];
    static const struct typed start_type = {.kind = TYPED_SIGNED, .width = WINDOW_START_SIZE};
    char text[40];
    struct tm parts;
    weir_assert(typed->width <= sizeof sequence);
    size_t behind = WINDOW_START_SIZE + typed->width;
    if (bytes.size < behind ||
        memcmp(bytes.data + bytes.size - typed->width, sequence, typed->width) != 0) {
        print_unknown(bytes, to);
        return;
    }
    size_t size = bytes.size - behind;
    int64_t start_ms = (int64_t)load(&start_type, bytes.data + size);
    time_t seconds = (time_t)(start_ms / 1000);
    if (start_ms < 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "@%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        print_unknown(bytes, to);
        return;
    }
    weir_buffer_append(to, bytes.data, size);
    weir_buffer_append(to, text, strlen(text));
    (void)snprintf(text, sizeof text, start_ms % 1000 != 0 ? ".%03dZ" : "Z",
                   (int)(start_ms % 1000));
    weir_buffer_append(to, text, strlen(text));
}

void typed_print(const struct typed *typed, struct weir_slice bytes, struct weir_buffer *to)
{
    if (weir_slice_is_null(bytes)) {
        weir_buffer_append(to, "null", 4);
    } else if (typed->kind == TYPED_STRUCT) {
        print_struct(typed, bytes, to);
    } else if (typed->kind == TYPED_WINDOWED) {
        print_windowed(typed, bytes, to);
    } else if (bytes.size != typed->width) {
        print_unknown(bytes, to);
    } else {
        print_number(typed, bytes.data, to);
    }
}

/* ---- numbers read ---------------------------------------------------------------------------- */

bool typed_is_number(const struct typed *typed)
{
    return typed->kind <= TYPED_FLOAT;
}

static bool read_float(const struct typed *typed, const char *text, char **end, uint64_t *bits_out)
{
    double wide = strtod(text, end);
    float narrow = (float)wide;
    uint32_t half;
    memcpy(&half, &narrow, sizeof half);
    memcpy(bits_out, &wide, sizeof wide);
    if (typed->width == 4) *bits_out = half;
    return true;
}

static bool read_whole(const struct typed *typed, const char *text, char **end, uint64_t *bits_out)
{
    unsigned unused = 64 - 8 * (unsigned)typed->width;
    errno = 0;
    if (typed->kind == TYPED_UNSIGNED) {
        *bits_out = strtoull(text, end, 10);
        return errno == 0 && text[0] != '-' && *bits_out << unused >> unused == *bits_out;
    }
    int64_t value = strtoll(text, end, 10);
    *bits_out = (uint64_t)value;
    return errno == 0 && (int64_t)(*bits_out << unused) >> unused == value;
}

int typed_read(const struct typed *typed, struct weir_slice text,
               uint8_t bytes_out[TYPED_NUMBER_SIZE_MAX])
{
    char copy[64];
    char *end = NULL;
    uint64_t bits = 0;
    weir_assert(typed_is_number(typed));
    bool starts_well = text.size > 0 && text.size < sizeof copy && text.data[0] > ' ';
    if (!starts_well) return WEIR_INVALID_ARGUMENT;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    bool fits = typed->kind == TYPED_FLOAT ? read_float(typed, copy, &end, &bits)
                                           : read_whole(typed, copy, &end, &bits);
    if (!fits || end != copy + text.size) return WEIR_INVALID_ARGUMENT;
    for (size_t i = 0; i < typed->width; i++) {
        size_t from = typed->is_little ? i : typed->width - 1 - i;
        bytes_out[i] = (uint8_t)(bits >> (8 * from));
    }
    return 0;
}
