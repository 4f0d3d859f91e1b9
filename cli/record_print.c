/** A record in a format. */
#include "cli/record_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

/* ---- numbers and texts ----------------------------------------------------------------------- */

static void append_text(struct weir_buffer *to, const char *text)
{
    weir_buffer_append(to, text, strlen(text));
}

static void print_number(const struct format_piece *piece, int64_t value, struct weir_buffer *to)
{
    char text[32];
    uint64_t bits = (uint64_t)value;
    switch (piece->number) {
    case FORMAT_ASCII:
    case FORMAT_DIGITS:
        (void)snprintf(text, sizeof text, "%" PRId64, value);
        append_text(to, text);
        break;
    case FORMAT_HEX_DIGITS:
        if (piece->width < 16) bits &= (UINT64_C(1) << (4 * piece->width)) - 1;
        (void)snprintf(text, sizeof text, "%0*" PRIx64, piece->width, bits);
        append_text(to, text);
        break;
    case FORMAT_BIG:
        for (int i = piece->width - 1; i >= 0; i--) {
            weir_buffer_u8(to, (uint8_t)(bits >> (8 * i)));
        }
        break;
    case FORMAT_LITTLE:
        for (int i = 0; i < piece->width; i++) {
            weir_buffer_u8(to, (uint8_t)(bits >> (8 * i)));
        }
        break;
    case FORMAT_BOOL:
        append_text(to, value != 0 ? "true" : "false");
        break;
    }
}

static void print_base64(struct weir_slice text, bool is_padded, struct weir_buffer *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < text.size; i += 3) {
        size_t left = text.size - i;
        uint32_t bits = (uint32_t)text.data[i] << 16;
        if (left > 1) bits |= (uint32_t)text.data[i + 1] << 8;
        if (left > 2) bits |= text.data[i + 2];
        char quad[4] = {digits[bits >> 18], digits[(bits >> 12) & 63], '=', '='};
        if (left > 1) quad[2] = digits[(bits >> 6) & 63];
        if (left > 2) quad[3] = digits[bits & 63];
        weir_buffer_append(to, quad, is_padded || left > 2 ? 4 : left + 1);
    }
}

/* `by_topic`: what the topic says the text is; NULL: nothing. */
static void print_text(const struct format_piece *piece, struct weir_slice text,
                       const struct weir_data_type *by_topic, struct weir_buffer *to)
{
    switch (piece->text) {
    case FORMAT_RAW:
        weir_buffer_append(to, text.data, text.size);
        break;
    case FORMAT_HEX:
        typed_print_hex(text, to);
        break;
    case FORMAT_BASE64:
    case FORMAT_BASE64_RAW:
        print_base64(text, piece->text == FORMAT_BASE64, to);
        break;
    case FORMAT_TYPED:
        typed_print(&piece->typed, text, to);
        break;
    case FORMAT_BY_TOPIC:
        if (by_topic != NULL) {
            typed_print(by_topic, text, to);
        } else {
            weir_buffer_append(to, text.data, text.size);
        }
        break;
    }
}

/* ---- times, in UTC --------------------------------------------------------------------------- */

struct moment {
    struct tm parts;
    int ms;
};

static bool moment_of(int64_t timestamp_ms, struct moment *moment_out)
{
    int64_t ms = timestamp_ms % 1000;
    if (ms < 0) ms += 1000;
    time_t seconds = (time_t)((timestamp_ms - ms) / 1000);
    moment_out->ms = (int)ms;
    return gmtime_r(&seconds, &moment_out->parts) != NULL;
}

static void print_strftime(const char *layout, const struct moment *moment, struct weir_buffer *to)
{
    char text[512];
    size_t size = strftime(text, sizeof text, layout, &moment->parts);
    weir_buffer_append(to, text, size);
}

/* Go's layouts show a reference time; the longest word that fits comes first. */
static const struct {
    const char *word;
    const char *as;
} go_words[] = {
    {"2006", "%Y"}, {"January", "%B"}, {"Jan", "%b"},  {"Monday", "%A"},     {"Mon", "%a"},
    {"MST", "UTC"}, {"Z07:00", "Z"},   {"Z0700", "Z"}, {"-07:00", "+00:00"}, {"-0700", "+0000"},
    {"01", "%m"},   {"02", "%d"},      {"03", "%I"},   {"04", "%M"},         {"05", "%S"},
    {"06", "%y"},   {"15", "%H"},      {"PM", "%p"},   {"_2", "%e"},
};

/* ".000" or ".999999": the fraction of a second, in as many digits. Returns what it took. */
static size_t print_go_fraction(const char *at, const struct moment *moment, struct weir_buffer *to)
{
    size_t digits = strspn(at + 1, "0");
    if (digits == 0) digits = strspn(at + 1, "9");
    if (at[0] != '.' || digits == 0 || digits > 9) return 0;
    char text[16];
    (void)snprintf(text, sizeof text, ".%03d000000", moment->ms);
    weir_buffer_append(to, text, digits + 1);
    return digits + 1;
}

static void print_go(const char *layout, const struct moment *moment, struct weir_buffer *to)
{
    for (const char *at = layout; *at != '\0';) {
        size_t took = print_go_fraction(at, moment, to);
        for (size_t i = 0; took == 0 && i < sizeof go_words / sizeof go_words[0]; i++) {
            size_t size = strlen(go_words[i].word);
            if (strncmp(at, go_words[i].word, size) != 0) continue;
            print_strftime(go_words[i].as, moment, to);
            took = size;
        }
        if (took == 0) {
            weir_buffer_append(to, at, 1);
            took = 1;
        }
        at += took;
    }
}

static void print_time(const struct format_piece *piece, int64_t timestamp_ms,
                       struct weir_buffer *to)
{
    struct moment moment;
    if (piece->time == FORMAT_MS || !moment_of(timestamp_ms, &moment)) {
        print_number(piece, timestamp_ms, to);
    } else if (piece->time == FORMAT_STRFTIME) {
        print_strftime((const char *)piece->literal.data, &moment, to);
    } else {
        print_go((const char *)piece->literal.data, &moment, to);
    }
}

/* ---- records --------------------------------------------------------------------------------- */

static void print_attribute(const struct format_piece *piece, const struct weir_batch_header *batch,
                            struct weir_buffer *to)
{
    const char *name = weir_codec_name((int)weir_batch_codec(batch));
    switch (piece->attribute) {
    case FORMAT_COMPRESSION:
        if (piece->is_name) {
            append_text(to, name != NULL ? name : "unknown");
        } else {
            print_number(piece, weir_batch_codec(batch), to);
        }
        break;
    case FORMAT_TIMESTAMP_TYPE:
        print_number(piece, (batch->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0, to);
        break;
    case FORMAT_TRANSACTIONAL_BIT:
        print_number(piece, (batch->attributes & WEIR_BATCH_TRANSACTIONAL) != 0, to);
        break;
    case FORMAT_CONTROL_BIT:
        print_number(piece, (batch->attributes & WEIR_BATCH_CONTROL) != 0, to);
        break;
    }
}

static void print_headers(const struct format_piece *piece, const struct weir_record *record,
                          struct weir_buffer *to)
{
    for (size_t h = 0; h < record->header_count; h++) {
        const struct weir_header *header = &record->headers[h];
        for (size_t i = 0; i < piece->header_count; i++) {
            const struct format_piece *part = &piece->header[i];
            if (part->verb == FORMAT_KEY) print_text(part, header->key, NULL, to);
            if (part->verb == FORMAT_VALUE) print_text(part, header->value, NULL, to);
            if (part->verb == FORMAT_KEY_SIZE) print_number(part, (int64_t)header->key.size, to);
            if (part->verb == FORMAT_VALUE_SIZE) {
                print_number(part, (int64_t)header->value.size, to);
            }
            if (part->verb == FORMAT_LITERAL) {
                weir_buffer_append(to, part->literal.data, part->literal.size);
            }
        }
    }
}

static int64_t number_of(const struct record_shown *shown, enum format_verb verb)
{
    switch (verb) {
    case FORMAT_TOPIC_SIZE:
        return (int64_t)strlen(shown->topic);
    case FORMAT_KEY_SIZE:
        return (int64_t)shown->record->key.size;
    case FORMAT_VALUE_SIZE:
        return (int64_t)shown->record->value.size;
    case FORMAT_HEADER_COUNT:
        return (int64_t)shown->record->header_count;
    case FORMAT_PARTITION:
        return shown->partition;
    case FORMAT_OFFSET:
        return shown->record->offset;
    case FORMAT_LEADER_EPOCH:
        return shown->batch->leader_epoch;
    case FORMAT_PRODUCER_ID:
        return shown->batch->producer_id;
    case FORMAT_PRODUCER_EPOCH:
        return shown->batch->producer_epoch;
    case FORMAT_LOG_START:
        return shown->log_start_offset;
    case FORMAT_LAST_STABLE:
        return shown->last_stable_offset;
    case FORMAT_HIGH_WATERMARK:
        return shown->high_watermark;
    case FORMAT_RECORD_NUMBER:
        return shown->number;
    case FORMAT_LITERAL:
    case FORMAT_TOPIC:
    case FORMAT_KEY:
    case FORMAT_VALUE:
    case FORMAT_HEADERS:
    case FORMAT_TIMESTAMP:
    case FORMAT_ATTRIBUTE:
        break;
    }
    return 0; /* no number: printed by its own function */
}

static void print_piece(const struct format_piece *piece, const struct record_shown *shown,
                        struct weir_buffer *to)
{
    switch (piece->verb) {
    case FORMAT_LITERAL:
        weir_buffer_append(to, piece->literal.data, piece->literal.size);
        break;
    case FORMAT_TOPIC:
        print_text(piece, weir_text(shown->topic), NULL, to);
        break;
    case FORMAT_KEY:
        print_text(piece, shown->record->key, shown->key_type, to);
        break;
    case FORMAT_VALUE:
        print_text(piece, shown->record->value, shown->value_type, to);
        break;
    case FORMAT_HEADERS:
        print_headers(piece, shown->record, to);
        break;
    case FORMAT_TIMESTAMP:
        print_time(piece, shown->record->timestamp_ms, to);
        break;
    case FORMAT_ATTRIBUTE:
        print_attribute(piece, shown->batch, to);
        break;
    case FORMAT_TOPIC_SIZE:
    case FORMAT_KEY_SIZE:
    case FORMAT_VALUE_SIZE:
    case FORMAT_HEADER_COUNT:
    case FORMAT_PARTITION:
    case FORMAT_OFFSET:
    case FORMAT_LEADER_EPOCH:
    case FORMAT_PRODUCER_ID:
    case FORMAT_PRODUCER_EPOCH:
    case FORMAT_LOG_START:
    case FORMAT_LAST_STABLE:
    case FORMAT_HIGH_WATERMARK:
    case FORMAT_RECORD_NUMBER:
        print_number(piece, number_of(shown, piece->verb), to);
        break;
    }
}

void record_format_print(const struct record_format *format, const struct record_shown *shown,
                         struct weir_buffer *to)
{
    for (size_t i = 0; i < format->count; i++) {
        print_piece(&format->pieces[i], shown, to);
    }
}
