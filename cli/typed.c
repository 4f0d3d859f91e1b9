/** Bytes shown as numbers, declared structs and windowed keys. */
#include "cli/typed.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/say.h"

enum { WINDOW_START_SIZE = 8 };

/* ---- bytes shown ----------------------------------------------------------------------------- */

static uint64_t load(const struct weir_data_type *type, const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < type->width; i++) {
        bits = bits << 8 | bytes[type->is_little ? type->width - 1 - i : i];
    }
    return bits;
}

static void append_text(struct weir_buffer *to, const char *text)
{
    weir_buffer_append(to, text, strlen(text));
}

/* JSON has no word for them: strings, as Java and Python's readers of floats take them. */
static const char *json_name_of(double value)
{
    return isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

/* The shortest text that reads back as the same number. */
static void print_double(double value, int digits, int digits_max, bool is_json,
                         struct weir_buffer *to)
{
    char text[40];
    if (is_json && !isfinite(value)) {
        append_text(to, json_name_of(value));
        return;
    }
    for (; digits <= digits_max; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (digits_max < 10 ? (float)back == (float)value : back == value) break;
    }
    append_text(to, text);
}

static void print_number(const struct weir_data_type *type, const uint8_t *bytes, bool is_json,
                         struct weir_buffer *to)
{
    char text[32];
    uint64_t bits = load(type, bytes);
    uint32_t half = (uint32_t)bits;
    double wide;
    float narrow;
    switch (type->kind) {
    case WEIR_DATA_SIGNED: {
        unsigned unused = 64 - 8 * (unsigned)type->width;
        (void)snprintf(text, sizeof text, "%" PRId64, (int64_t)(bits << unused) >> unused);
        append_text(to, text);
        break;
    }
    case WEIR_DATA_UNSIGNED:
        (void)snprintf(text, sizeof text, "%" PRIu64, bits);
        append_text(to, text);
        break;
    case WEIR_DATA_FLOAT:
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &half, sizeof narrow);
        if (type->width == 8) {
            print_double(wide, 15, 17, is_json, to);
        } else {
            print_double((double)narrow, 6, 9, is_json, to);
        }
        break;
    case WEIR_DATA_BOOL:
    case WEIR_DATA_TEXT:
    case WEIR_DATA_SLICE:
    case WEIR_DATA_STRUCT:
    case WEIR_DATA_WINDOWED:
    case WEIR_DATA_SESSION:
        weir_assert(false && "a number");
    }
}

void typed_print_hex(struct weir_slice bytes, struct weir_buffer *to)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        char pair[2] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
        weir_buffer_append(to, pair, sizeof pair);
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

static bool print_fields(const struct weir_data_type *type, uint8_t version,
                         struct weir_reader *rest, struct weir_buffer *to);

static bool print_text(enum weir_data_kind kind, struct weir_reader *rest, struct weir_buffer *to)
{
    size_t size = (size_t)weir_reader_uvarint32(rest);
    if (rest->failed) return false;
    if (kind == WEIR_DATA_SLICE && size == 0) {
        append_text(to, "null");
        return true;
    }
    if (kind == WEIR_DATA_SLICE) size--;
    const uint8_t *bytes = weir_reader_take(rest, size);
    if (bytes == NULL) return false;
    print_json_text(weir_slice(bytes, size), to);
    return true;
}

static bool print_field(const struct weir_data_type *field, uint8_t version,
                        struct weir_reader *rest, struct weir_buffer *to)
{
    if (field->kind == WEIR_DATA_STRUCT) return print_fields(field, version, rest, to);
    if (field->kind == WEIR_DATA_TEXT || field->kind == WEIR_DATA_SLICE) {
        return print_text(field->kind, rest, to);
    }
    const uint8_t *bytes = weir_reader_take(rest, field->width);
    if (bytes == NULL) return false;
    if (field->kind == WEIR_DATA_BOOL) {
        append_text(to, bytes[0] != 0 ? "true" : "false");
    } else {
        print_number(field, bytes, true, to);
    }
    return true;
}

/* An older version has fewer fields: those that came later are known by their `since`. All others are there, as
 * the serde has it: bytes that end before them are cut, or of another type. */
static bool print_fields(const struct weir_data_type *type, uint8_t version,
                         struct weir_reader *rest, struct weir_buffer *to)
{
    size_t printed = 0;
    append_text(to, "{");
    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].since > version) continue;
        if (printed++ > 0) append_text(to, ",");
        print_json_text(type->fields[i].name, to);
        append_text(to, ":");
        if (!print_field(&type->fields[i], version, rest, to)) return false;
    }
    append_text(to, "}");
    return true;
}

static bool print_struct(const struct weir_data_type *type, struct weir_slice bytes,
                         struct weir_buffer *to)
{
    struct weir_reader rest = weir_reader(bytes);
    uint8_t version = weir_reader_u8(&rest);
    if (version == 0) return false; /* or there is none */
    return print_fields(type, version, &rest, to) && weir_reader_left(&rest) == 0;
}

/* ---- windowed keys --------------------------------------------------------------------------- */

static bool print_start(int64_t start_ms, struct weir_buffer *to)
{
    char text[40];
    struct tm parts;
    time_t seconds = (time_t)(start_ms / 1000);
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "@%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        return false;
    }
    append_text(to, text);
    (void)snprintf(text, sizeof text, start_ms % 1000 != 0 ? ".%03dZ" : "Z",
                   (int)(start_ms % 1000));
    append_text(to, text);
    return true;
}

static bool print_value(const struct weir_data_type *type, struct weir_slice bytes, bool is_json,
                        struct weir_buffer *to);

static bool print_windowed(const struct weir_data_type *type, struct weir_slice bytes, bool is_json,
                           struct weir_buffer *to)
{
    static const uint8_t sequence[8];
    static const struct weir_data_type start_type = {.kind = WEIR_DATA_SIGNED,
                                                     .width = WINDOW_START_SIZE};
    static const struct weir_data_type text_type = {.kind = WEIR_DATA_TEXT};
    const struct weir_data_type *key_type = type->field_count > 0 ? type->fields : &text_type;
    weir_assert(type->width <= sizeof sequence);
    size_t behind = WINDOW_START_SIZE + type->width;
    if (bytes.size < behind ||
        memcmp(bytes.data + bytes.size - type->width, sequence, type->width) != 0) {
        return false;
    }
    struct weir_slice key = weir_slice(bytes.data, bytes.size - behind);
    int64_t start_ms = (int64_t)load(&start_type, bytes.data + key.size);
    if (start_ms < 0) return false;
    if (is_json) append_text(to, "{\"key\":");
    if (!print_value(key_type, key, is_json, to)) return false;
    if (!is_json) return print_start(start_ms, to);
    char text[48];
    (void)snprintf(text, sizeof text, ",\"start_ms\":%" PRId64 "}", start_ms);
    append_text(to, text);
    return true;
}

static bool print_session(const struct weir_data_type *type, struct weir_slice bytes, bool is_json,
                          struct weir_buffer *to)
{
    static const struct weir_data_type time_type = {.kind = WEIR_DATA_SIGNED,
                                                    .width = WINDOW_START_SIZE};
    static const struct weir_data_type text_type = {.kind = WEIR_DATA_TEXT};
    const struct weir_data_type *key_type = type->field_count > 0 ? type->fields : &text_type;
    if (bytes.size < 2 * WINDOW_START_SIZE) return false;
    struct weir_slice key = weir_slice(bytes.data, bytes.size - 2 * WINDOW_START_SIZE);
    int64_t end_ms = (int64_t)load(&time_type, bytes.data + key.size);
    int64_t start_ms = (int64_t)load(&time_type, bytes.data + key.size + WINDOW_START_SIZE);
    if (start_ms < 0 || end_ms < start_ms) return false;
    if (is_json) append_text(to, "{\"key\":");
    if (!print_value(key_type, key, is_json, to)) return false;
    if (!is_json) return print_start(start_ms, to) && print_start(end_ms, to);
    char text[96];
    (void)snprintf(text, sizeof text, ",\"start_ms\":%" PRId64 ",\"end_ms\":%" PRId64 "}", start_ms,
                   end_ms);
    append_text(to, text);
    return true;
}

/* ---- any of them ----------------------------------------------------------------------------- */

/* What is appended before the bytes prove not to fit is the caller's to take back. */
static bool print_value(const struct weir_data_type *type, struct weir_slice bytes, bool is_json,
                        struct weir_buffer *to)
{
    switch (type->kind) {
    case WEIR_DATA_STRUCT:
        return print_struct(type, bytes, to);
    case WEIR_DATA_WINDOWED:
        return print_windowed(type, bytes, is_json, to);
    case WEIR_DATA_SESSION:
        return print_session(type, bytes, is_json, to);
    case WEIR_DATA_TEXT:
        if (is_json) {
            print_json_text(bytes, to);
        } else {
            weir_buffer_append(to, bytes.data, bytes.size);
        }
        return true;
    case WEIR_DATA_SIGNED:
    case WEIR_DATA_UNSIGNED:
    case WEIR_DATA_FLOAT:
        if (bytes.size != type->width) return false;
        print_number(type, bytes.data, is_json, to);
        return true;
    case WEIR_DATA_BOOL:
    case WEIR_DATA_SLICE:
        break; /* only a struct has them */
    }
    weir_assert(false && "a value by itself");
    return false;
}

static bool print_or_nothing(const struct weir_data_type *type, struct weir_slice bytes,
                             bool is_json, struct weir_buffer *to)
{
    size_t before = to->size;
    if (weir_slice_is_null(bytes)) {
        append_text(to, "null");
        return true;
    }
    if (print_value(type, bytes, is_json, to)) return true;
    to->size = before;
    return false;
}

void typed_print(const struct weir_data_type *type, struct weir_slice bytes, struct weir_buffer *to)
{
    if (print_or_nothing(type, bytes, false, to)) return;
    append_text(to, "?");
    typed_print_hex(bytes, to);
}

bool typed_print_json(const struct weir_data_type *type, struct weir_slice bytes,
                      struct weir_buffer *to)
{
    return print_or_nothing(type, bytes, true, to);
}

/* ---- numbers read ---------------------------------------------------------------------------- */

bool typed_is_number(const struct weir_data_type *type)
{
    return type->kind <= WEIR_DATA_FLOAT;
}

static bool read_float(const struct weir_data_type *type, const char *text, char **end,
                       uint64_t *bits_out)
{
    double wide = strtod(text, end);
    float narrow = (float)wide;
    uint32_t half;
    memcpy(&half, &narrow, sizeof half);
    memcpy(bits_out, &wide, sizeof wide);
    if (type->width == 4) *bits_out = half;
    return true;
}

static bool read_whole(const struct weir_data_type *type, const char *text, char **end,
                       uint64_t *bits_out)
{
    unsigned unused = 64 - 8 * (unsigned)type->width;
    errno = 0;
    if (type->kind == WEIR_DATA_UNSIGNED) {
        *bits_out = strtoull(text, end, 10);
        return errno == 0 && text[0] != '-' && *bits_out << unused >> unused == *bits_out;
    }
    int64_t value = strtoll(text, end, 10);
    *bits_out = (uint64_t)value;
    return errno == 0 && (int64_t)(*bits_out << unused) >> unused == value;
}

int typed_read(const struct weir_data_type *type, struct weir_slice text,
               uint8_t bytes_out[TYPED_NUMBER_SIZE_MAX])
{
    char copy[64];
    char *end = NULL;
    uint64_t bits = 0;
    weir_assert(typed_is_number(type));
    bool starts_well = text.size > 0 && text.size < sizeof copy && text.data[0] > ' ';
    if (!starts_well) return WEIR_INVALID_ARGUMENT;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    bool fits = type->kind == WEIR_DATA_FLOAT ? read_float(type, copy, &end, &bits)
                                              : read_whole(type, copy, &end, &bits);
    if (!fits || end != copy + text.size) return WEIR_INVALID_ARGUMENT;
    for (size_t i = 0; i < type->width; i++) {
        size_t from = type->is_little ? i : type->width - 1 - i;
        bytes_out[i] = (uint8_t)(bits >> (8 * from));
    }
    return 0;
}
