#ifndef WEIR_CLI_RECORD_FORMAT_H
#define WEIR_CLI_RECORD_FORMAT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/typed.h"
#include "weir/error.h"
#include "weir/record.h"
#include "wire/record_batch.h"

/**
 * The format language of `-f` and `-o`: rpk's percent verbs, with their modifiers in braces. One text
 * becomes a list of pieces, from which records are printed (record_print.c) or read (record_scan.c).
 *
 *     %v %k %t           value, key, topic: as they are, {hex}, {base64}, {base64raw}, or by a type that
 *                        base/data_type.h has: {i64}, {f64le}, {struct[place:text,celsius:f64]}, {windowed};
 *                        %v{} and %k{}: by the type that the topic's settings name
 *     %V %K %T %H        their sizes; how many headers: {ascii} {hex32} {big16} {little64} {byte} …
 *     %p %o %e %x %y %i  partition, offset, leader epoch, producer id and epoch, number of the record
 *     %[ %| %]           log start offset, last stable offset, high watermark
 *     %d                 timestamp in ms, or {strftime[%F %T]}, {go[2006-01-02]}
 *     %a{compression}    attributes: compression, timestamp-type, transactional-bit, control-bit
 *     %h{%k=%v }         for each header
 *     %% %{ %}  \n \t \r \\ \xNN
 *
 * Source: rpk's help text (`rpk topic consume --help`).
 */
enum format_verb {
    FORMAT_LITERAL,
    FORMAT_TOPIC,
    FORMAT_TOPIC_SIZE,
    FORMAT_KEY,
    FORMAT_KEY_SIZE,
    FORMAT_VALUE,
    FORMAT_VALUE_SIZE,
    FORMAT_HEADERS,
    FORMAT_HEADER_COUNT,
    FORMAT_PARTITION,
    FORMAT_OFFSET,
    FORMAT_LEADER_EPOCH,
    FORMAT_TIMESTAMP,
    FORMAT_ATTRIBUTE,
    FORMAT_PRODUCER_ID,
    FORMAT_PRODUCER_EPOCH,
    FORMAT_LOG_START,
    FORMAT_LAST_STABLE,
    FORMAT_HIGH_WATERMARK,
    FORMAT_RECORD_NUMBER,
};

enum format_text {
    FORMAT_RAW,
    FORMAT_HEX,
    FORMAT_BASE64,
    FORMAT_BASE64_RAW,
    FORMAT_TYPED,
    FORMAT_BY_TOPIC, /* printing only */
};
enum format_number {
    FORMAT_ASCII,
    FORMAT_HEX_DIGITS, /* `width` digits */
    FORMAT_BIG,        /* `width` bytes */
    FORMAT_LITTLE,
    FORMAT_BOOL,
    FORMAT_DIGITS, /* reading only: exactly `width` digits */
};
enum format_time { FORMAT_MS, FORMAT_STRFTIME, FORMAT_GO };
enum format_attribute {
    FORMAT_COMPRESSION,
    FORMAT_TIMESTAMP_TYPE,
    FORMAT_TRANSACTIONAL_BIT,
    FORMAT_CONTROL_BIT,
};

struct format_piece {
    enum format_verb verb;
    enum format_text text;
    struct weir_data_type typed; /* FORMAT_TYPED */
    enum format_number number;
    int width;
    enum format_time time;
    enum format_attribute attribute;
    bool is_name;                      /* compression as a word */
    struct weir_slice literal;         /* or the layout of a time, with a NUL behind it */
    const struct format_piece *header; /* of one header */
    size_t header_count;
};

struct record_format {
    const struct format_piece *pieces;
    size_t count;
    bool asks_topic; /* some piece is FORMAT_BY_TOPIC */
};

/** The pieces live in `arena`. WEIR_INVALID_ARGUMENT says what is wrong and where. */
int record_format_parse(const char *text, struct weir_arena *arena,
                        struct record_format *format_out, struct weir_error *error);

/** A record and all that a format may ask about it. */
struct record_shown {
    const char *topic;
    int32_t partition;
    const struct weir_record *record;
    const struct weir_batch_header *batch;
    int64_t log_start_offset;
    int64_t last_stable_offset;
    int64_t high_watermark;
    int64_t number;                        /* from 0 */
    const struct weir_data_type *key_type; /* as the topic's settings say; NULL: not known */
    const struct weir_data_type *value_type;
};
/** Append the record in this format. What fails (memory) is in `to`. */
void record_format_print(const struct record_format *format, const struct record_shown *shown,
                         struct weir_buffer *to);

#endif
