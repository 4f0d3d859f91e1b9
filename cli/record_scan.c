#include "cli/record_scan.h"

#include <string.h>

#include "base/error.h"

enum { HEADERS_MAX = 10000 };

struct scan {
    struct weir_slice input;
    size_t at;
    bool is_end;
    struct weir_arena *arena;
    struct weir_error *error;
};

/* Where the texts of one record, or of one header, go. */
struct texts {
    struct weir_slice key;
    struct weir_slice value;
    int64_t key_size; /* -1: not given */
    int64_t value_size;
};

static size_t left(const struct scan *scan)
{
    return scan->input.size - scan->at;
}

static int fail(const struct scan *scan, const char *what)
{
    return weir_error_set(scan->error, WEIR_INVALID_ARGUMENT, "%s, at byte %zu of this record",
                          what, scan->at);
}

/* The input ends here: more will come, or it breaks off within a record. */
static int want_more(const struct scan *scan)
{
    return scan->is_end ? fail(scan, "the input breaks off within a record") : WEIR_END;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int digit_value(uint8_t c, int base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 99;
    return value < base ? value : -1;
}

static int scan_digits(struct scan *scan, int width, int base, int64_t *value_out)
{
    uint64_t value = 0;
    if (left(scan) < (size_t)width) return want_more(scan);
    for (int i = 0; i < width; i++) {
        int digit = digit_value(scan->input.data[scan->at], base);
        if (digit < 0) return fail(scan, "a digit is missing");
        value = value * (uint64_t)base + (uint64_t)digit;
        scan->at++;
    }
    *value_out = (int64_t)value;
    return 0;
}

static int scan_ascii(struct scan *scan, int64_t *value_out)
{
    int64_t value = 0;
    size_t at = scan->at;
    size_t end = scan->input.size;
    bool is_negative = at < end && scan->input.data[at] == '-';
    if (is_negative) at++;
    size_t first = at;
    for (; at < end && digit_value(scan->input.data[at], 10) >= 0; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, scan->input.data[at] - '0', &value)) {
            return fail(scan, "the number is too large");
        }
    }
    if (at == end && !scan->is_end) return WEIR_END; /* its next digit may still come */
    if (at == first) return fail(scan, "a number is missing");
    scan->at = at;
    *value_out = is_negative ? -value : value;
    return 0;
}

static int scan_bytes(struct scan *scan, const struct format_piece *piece, int64_t *value_out)
{
    uint64_t value = 0;
    if (left(scan) < (size_t)piece->width) return want_more(scan);
    for (int i = 0; i < piece->width; i++) {
        int from = piece->number == FORMAT_BIG ? i : piece->width - 1 - i;
        value = value << 8 | scan->input.data[scan->at + (size_t)from];
    }
    scan->at += (size_t)piece->width;
    *value_out = (int64_t)value;
    return 0;
}

static int scan_bool(struct scan *scan, int64_t *value_out)
{
    bool is_true = left(scan) >= 4 && memcmp(scan->input.data + scan->at, "true", 4) == 0;
    bool is_false = left(scan) >= 5 && memcmp(scan->input.data + scan->at, "false", 5) == 0;
    if (!is_true && !is_false) {
        return left(scan) < 5 ? want_more(scan) : fail(scan, "'true' or 'false' is missing");
    }
    scan->at += is_true ? 4 : 5;
    *value_out = is_true;
    return 0;
}

static int scan_number(struct scan *scan, const struct format_piece *piece, int64_t *value_out)
{
    switch (piece->number) {
    case FORMAT_ASCII:
        return scan_ascii(scan, value_out);
    case FORMAT_HEX_DIGITS:
        return scan_digits(scan, piece->width, 16, value_out);
    case FORMAT_DIGITS:
        return scan_digits(scan, piece->width, 10, value_out);
    case FORMAT_BIG:
    case FORMAT_LITTLE:
        return scan_bytes(scan, piece, value_out);
    case FORMAT_BOOL:
        return scan_bool(scan, value_out);
    }
    return 0;
}

static int scan_bounded(struct scan *scan, const struct format_piece *piece, int64_t max,
                        int64_t *value_out)
{
    int64_t value = 0;
    int rc = scan_number(scan, piece, &value);
    if (rc != 0) return rc;
    if (value < 0 || value > max) return fail(scan, "the number is out of range");
    *value_out = value;
    return 0;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static int decode_hex(struct scan *scan, struct weir_slice text, struct weir_slice *plain_out)
{
    uint8_t *plain = weir_arena_alloc(scan->arena, text.size / 2 + 1);
    if (plain == NULL) return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < text.size / 2; i++) {
        int high = digit_value(text.data[2 * i], 16);
        int low = digit_value(text.data[2 * i + 1], 16);
        if (high < 0 || low < 0) return fail(scan, "this text is no hex");
        plain[i] = (uint8_t)(high << 4 | low);
    }
    if (text.size % 2 != 0) return fail(scan, "hex with an odd number of digits");
    *plain_out = weir_slice(plain, text.size / 2);
    return 0;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int decode_base64(struct scan *scan, struct weir_slice text, struct weir_slice *plain_out)
{
    uint8_t *plain = weir_arena_alloc(scan->arena, text.size / 4 * 3 + 4);
    if (plain == NULL) return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    while (text.size > 0 && text.data[text.size - 1] == '=') {
        text.size--;
    }
    if (text.size % 4 == 1) return fail(scan, "this text is no base64");
    uint32_t bits = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0) return fail(scan, "this text is no base64");
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) plain[size++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *plain_out = weir_slice(plain, size);
    return 0;
}

static int decode_typed(struct scan *scan, const struct weir_data_type *typed,
                        struct weir_slice text, struct weir_slice *plain_out)
{
    if (typed->kind == WEIR_DATA_TEXT) {
        *plain_out = text;
        return 0;
    }
    uint8_t *plain = weir_arena_alloc(scan->arena, TYPED_NUMBER_SIZE_MAX);
    if (plain == NULL) return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    if (typed_read(typed, text, plain) < 0) {
        return fail(scan, "this text is no number of that type");
    }
    *plain_out = weir_slice(plain, typed->width);
    return 0;
}

static int decode(struct scan *scan, const struct format_piece *piece, struct weir_slice text,
                  struct weir_slice *plain_out)
{
    switch (piece->text) {
    case FORMAT_RAW:
        *plain_out = text;
        return 0;
    case FORMAT_HEX:
        return decode_hex(scan, text, plain_out);
    case FORMAT_BASE64:
    case FORMAT_BASE64_RAW:
        return decode_base64(scan, text, plain_out);
    case FORMAT_TYPED:
        return decode_typed(scan, &piece->typed, text, plain_out);
    case FORMAT_BY_TOPIC:
        break; /* record_scan_check refuses it */
    }
    return 0;
}

static bool is_newline(const struct format_piece *piece)
{
    return piece->literal.size == 1 && piece->literal.data[0] == '\n';
}

/* How long a text is that ends where `delimiter` begins, or with the input where there is none. */
static int measure(const struct scan *scan, const struct format_piece *delimiter, bool is_last,
                   size_t *size_out)
{
    const uint8_t *from = scan->input.data + scan->at;
    const uint8_t *found = NULL;
    if (delimiter != NULL && left(scan) > 0) {
        found = memmem(from, left(scan), delimiter->literal.data, delimiter->literal.size);
    }
    if (found != NULL) {
        *size_out = (size_t)(found - from);
        return 0;
    }
    if (!scan->is_end) return WEIR_END;
    if (delimiter != NULL && !(is_last && is_newline(delimiter))) {
        return fail(scan, "what the format has behind this text is not there");
    }
    *size_out = left(scan);
    return 0;
}

static int scan_text(struct scan *scan, const struct format_piece *pieces, size_t count, size_t i,
                     int64_t size_given, struct weir_slice *text_out)
{
    size_t size = (size_t)size_given;
    if (size_given >= 0) {
        if (left(scan) < size) return want_more(scan);
    } else {
        const struct format_piece *delimiter = i + 1 < count ? &pieces[i + 1] : NULL;
        int rc = measure(scan, delimiter, i + 2 == count, &size);
        if (rc != 0) return rc;
    }
    struct weir_slice text = weir_slice(scan->input.data + scan->at, size);
    scan->at += size;
    return decode(scan, &pieces[i], text, text_out);
}

static int scan_literal(struct scan *scan, const struct format_piece *piece, bool is_last)
{
    size_t size = piece->literal.size;
    size_t common = left(scan) < size ? left(scan) : size;
    if (common > 0 && memcmp(scan->input.data + scan->at, piece->literal.data, common) != 0) {
        return fail(scan, "this is not what the format has here");
    }
    if (common < size && !(scan->is_end && is_last && is_newline(piece))) return want_more(scan);
    scan->at += common;
    return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Verbs that a record and a header share; `*did_out` says whether this was one. */
static int scan_shared(struct scan *scan, const struct format_piece *pieces, size_t count, size_t i,
                       struct texts *texts, bool *did_out)
{
    const struct format_piece *piece = &pieces[i];
    *did_out = true;
    if (piece->verb == FORMAT_LITERAL) return scan_literal(scan, piece, i + 1 == count);
    if (piece->verb == FORMAT_KEY_SIZE) {
        return scan_bounded(scan, piece, INT32_MAX, &texts->key_size);
    }
    if (piece->verb == FORMAT_VALUE_SIZE) {
        return scan_bounded(scan, piece, INT32_MAX, &texts->value_size);
    }
    if (piece->verb == FORMAT_KEY) {
        return scan_text(scan, pieces, count, i, texts->key_size, &texts->key);
    }
    if (piece->verb == FORMAT_VALUE) {
        return scan_text(scan, pieces, count, i, texts->value_size, &texts->value);
    }
    *did_out = false;
    return 0;
}

static int scan_headers(struct scan *scan, const struct format_piece *piece, size_t count,
                        struct record_scanned *scanned)
{
    scanned->headers = weir_arena_array(scan->arena, count + 1, sizeof *scanned->headers);
    if (scanned->headers == NULL) {
        return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    }
    for (size_t h = 0; h < count; h++) {
        struct texts texts = {.key = weir_text(""), .key_size = -1, .value_size = -1};
        for (size_t i = 0; i < piece->header_count; i++) {
            bool did;
            int rc = scan_shared(scan, piece->header, piece->header_count, i, &texts, &did);
            if (rc != 0) return rc;
        }
        scanned->headers[h] = (struct weir_header){texts.key, texts.value};
    }
    scanned->header_count = count;
    return 0;
}

static int scan_record(struct scan *scan, const struct record_format *format,
                       struct record_scanned *scanned)
{
    struct texts texts = {.value = weir_text(""), .key_size = -1, .value_size = -1};
    int64_t header_count = 0;
    int64_t number = 0;
    for (size_t i = 0; i < format->count; i++) {
        const struct format_piece *piece = &format->pieces[i];
        bool did;
        int rc = scan_shared(scan, format->pieces, format->count, i, &texts, &did);
        if (rc == 0 && piece->verb == FORMAT_HEADER_COUNT) {
            rc = scan_bounded(scan, piece, HEADERS_MAX, &header_count);
        }
        if (rc == 0 && piece->verb == FORMAT_HEADERS) {
            rc = scan_headers(scan, piece, (size_t)header_count, scanned);
        }
        if (rc == 0 && piece->verb == FORMAT_PARTITION) {
            rc = scan_bounded(scan, piece, INT32_MAX, &number);
            if (rc == 0) scanned->partition = (int32_t)number;
        }
        if (rc == 0 && piece->verb == FORMAT_TIMESTAMP) {
            rc = scan_number(scan, piece, &scanned->timestamp_ms);
        }
        if (rc != 0) return rc;
    }
    scanned->key = texts.key;
    scanned->value = texts.value;
    return 0;
}

int record_scan_next(const struct record_format *format, struct weir_slice input, bool is_end,
                     struct weir_arena *arena, struct record_scanned *scanned_out, size_t *used_out,
                     struct weir_error *error)
{
    if (input.size == 0) return WEIR_END;
    struct scan scan = {.input = input, .is_end = is_end, .arena = arena, .error = error};
    struct record_scanned scanned = {.partition = -1, .timestamp_ms = -1};
    int rc = scan_record(&scan, format, &scanned);
    if (rc != 0) return rc;
    if (scan.at == 0) return fail(&scan, "this format takes no bytes of the input");
    *scanned_out = scanned;
    *used_out = scan.at;
    return 0;
}

/* ---- what can be read ------------------------------------------------------------------------ */

static int refuse(struct weir_error *error, const char *why)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "this format cannot be read by: %s", why);
}

static bool is_text(enum format_verb verb)
{
    return verb == FORMAT_KEY || verb == FORMAT_VALUE;
}

static int check_pieces(const struct format_piece *pieces, size_t count, bool is_header,
                        struct weir_error *error)
{
    bool has_key_size = false;
    bool has_value_size = false;
    bool has_count = false;
    for (size_t i = 0; i < count; i++) {
        const struct format_piece *piece = &pieces[i];
        enum format_verb verb = piece->verb;
        bool has_size = verb == FORMAT_KEY ? has_key_size : has_value_size;
        bool ends_alone = i + 1 == count && !is_header;
        if (is_text(verb) && !has_size && !ends_alone &&
            (i + 1 == count || pieces[i + 1].verb != FORMAT_LITERAL)) {
            return refuse(error,
                          "nothing says where a text ends; put a separator behind it, or its "
                          "size (%K, %V) before it");
        }
        if (piece->text == FORMAT_BY_TOPIC) {
            return refuse(error, "{} prints by the topic's format; name the type to be read: "
                                 "%v{i64}");
        }
        if (piece->text == FORMAT_TYPED && piece->typed.kind != WEIR_DATA_TEXT &&
            !typed_is_number(&piece->typed)) {
            return refuse(error, "a struct or a windowed key can be printed, not read");
        }
        if (verb == FORMAT_HEADERS && !has_count) {
            return refuse(error, "%h needs the number of headers (%H) before it");
        }
        if (verb == FORMAT_HEADERS) {
            int rc = check_pieces(piece->header, piece->header_count, true, error);
            if (rc < 0) return rc;
        }
        has_key_size = has_key_size || verb == FORMAT_KEY_SIZE;
        has_value_size = has_value_size || verb == FORMAT_VALUE_SIZE;
        has_count = has_count || verb == FORMAT_HEADER_COUNT;
        bool is_known = verb == FORMAT_LITERAL || is_text(verb) || verb == FORMAT_KEY_SIZE ||
                        verb == FORMAT_VALUE_SIZE || verb == FORMAT_HEADERS ||
                        verb == FORMAT_HEADER_COUNT || verb == FORMAT_PARTITION ||
                        (verb == FORMAT_TIMESTAMP && piece->time == FORMAT_MS);
        if (!is_known) {
            return refuse(error, "it takes %k %v %K %V %h %H %p and %d (in ms) only");
        }
    }
    return 0;
}

int record_scan_check(const struct record_format *format, struct weir_error *error)
{
    if (format->count == 0) return refuse(error, "it is empty");
    return check_pieces(format->pieces, format->count, false, error);
}
