#ifndef WEIR_BASE_DATA_TYPE_H
#define WEIR_BASE_DATA_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * What the bytes of a key or a value stand for, named by a text: what `%v{...}` takes, and the topic
 * settings weir.key.format and weir.value.format. It is UTF-8 without control characters, and a struct has no
 * two fields of one name.
 *
 *     text              bytes as they are
 *     i8 i16 i32 i64, u8 u16 u32 u64, f32 f64     big-endian, as Kafka's serdes; with `le` behind, little-endian
 *     struct[F:T,...]   a declared struct (docs/format/struct.md); T is bool, i32, i64, f64, text, slice or
 *                       another struct[...]; behind T, @N says that the field came with version N
 *     windowed[T]       a windowed key: the key, then the window's start; windowed-changelog[T]: as it is in a
 *                       changelog, with a sequence number of four zero bytes behind. Without [T] the key is text
 *     slicedN[T]        the key of a slice of windows of N ms, in a changelog too: the key, then the slice's start
 *     session[T]        a session's key: the key, then the session's end and start, in a changelog too
 *     versioned[T]      the value of a versioned store, in its changelog: as T, which may not be windowed. Without [T] it is text
 */
enum weir_data_kind {
    WEIR_DATA_SIGNED,
    WEIR_DATA_UNSIGNED,
    WEIR_DATA_FLOAT,
    WEIR_DATA_BOOL,
    WEIR_DATA_TEXT,
    WEIR_DATA_SLICE,
    WEIR_DATA_STRUCT,
    WEIR_DATA_WINDOWED,
    WEIR_DATA_SESSION,
};

/** As long as such a text may be, and as deep as structs may lie in one another. */
enum { WEIR_DATA_TYPE_TEXT_MAX = 4096, WEIR_DATA_TYPE_DEPTH_MAX = 8 };

struct weir_data_type {
    enum weir_data_kind kind;
    size_t width; /* bytes of a number; of what is behind a windowed key */
    bool is_little;
    struct weir_slice name; /* as a struct's field; points into the text */
    uint8_t since; /* as a struct's field: the first version that has it; 0: always there */
    const struct weir_data_type *fields; /* of a struct; of a windowed key: what its key is */
    size_t field_count;
};

/** What a refusal says would be right. */
extern const char weir_data_type_right[];

/**
 * What `text` names, into `arena` (and the text itself). With `arena` NULL it is only checked, without any
 * memory, and `type_out` is not touched.
 *
 * Errors:  WEIR_NOT_FOUND, which leaves `error` alone: no type begins like that. WEIR_INVALID_ARGUMENT: what is
 *          in brackets is not well formed, and where; a byte that is not printable. WEIR_NO_MEMORY.
 */
int weir_data_type_parse(struct weir_slice text, struct weir_arena *arena,
                         struct weir_data_type *type_out, struct weir_error *error);

/**
 * Whether bytes of type `written` are read with the same meaning by whoever takes them for `reader`. Other types
 * are read as themselves alone. A struct is read by a later declaration of itself: its bytes are of the versions
 * 1 to `version`, and of each of them both have the same fields, of the same names, in the same order; fields
 * that are newer the reader does without. Both were parsed into an arena.
 *
 * `field_out`: of two structs, the first field that differs, at any depth; else null.
 */
bool weir_data_type_reads(const struct weir_data_type *reader, const struct weir_data_type *written,
                          uint8_t version, struct weir_slice *field_out);

#endif
