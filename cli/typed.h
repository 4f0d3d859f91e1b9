#ifndef WEIR_CLI_TYPED_H
#define WEIR_CLI_TYPED_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * Bytes shown as what they stand for, and read from it: `%v{i64}`, `%k{windowed}`,
 * `%v{struct[place:text,celsius:f64,count:i64]}`.
 *
 *     i8 i16 i32 i64, u8 u16 u32 u64, f32 f64     big-endian, as Kafka's serdes; with `le` behind, little-endian
 *     windowed          a windowed key: the key as text, '@', the window's start; windowed-changelog: as it
 *                       is in a changelog, with a sequence number of four zero bytes behind
 *     struct[F:T,...]   a declared struct (docs/format/struct.md), as JSON; T is bool, i32, i64, f64, text,
 *                       slice or another struct[...]
 *
 * Bytes that are not of the type are shown as `?` and their hex: nothing is guessed. Null is `null`.
 */
enum typed_kind {
    TYPED_SIGNED,
    TYPED_UNSIGNED,
    TYPED_FLOAT,
    TYPED_BOOL,
    TYPED_TEXT,
    TYPED_SLICE,
    TYPED_STRUCT,
    TYPED_WINDOWED,
};

struct typed {
    enum typed_kind kind;
    size_t width; /* bytes of a number; of what is behind a windowed key */
    bool is_little;
    struct weir_slice name; /* as a struct's field */
    const struct typed *fields;
    size_t field_count;
};

/** What `word` names; WEIR_NOT_FOUND: no type, WEIR_INVALID_ARGUMENT: a struct that is not well formed. */
int typed_parse(struct weir_slice word, struct weir_arena *arena, struct typed *typed_out,
                struct weir_error *error);
/** Append the value as text, as JSON has it but for a key that is text. What fails (memory) is in `to`. */
void typed_print(const struct typed *typed, struct weir_slice bytes, struct weir_buffer *to);

enum { TYPED_NUMBER_SIZE_MAX = 8 };
/** Can it be read from text? Numbers can. */
bool typed_is_number(const struct typed *typed);
/** The bytes of the number that `text` is, `width` of them. WEIR_INVALID_ARGUMENT: it is none, or too large. */
int typed_read(const struct typed *typed, struct weir_slice text,
               uint8_t bytes_out[TYPED_NUMBER_SIZE_MAX]);

#endif
