/**
 * The grammar of data types, by recursive descent over the text. With an arena the fields of a struct are kept
 * side by side, so they are counted before they are read: a text is short, and brackets lie at most eight deep.
 */
#include "base/data_type.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

const char weir_data_type_right[] =
    "text, i8 to i64, u8 to u64, f32, f64 (with le behind: little-endian), windowed[TYPE], "
    "windowed-changelog[TYPE], session[TYPE] or struct[NAME:TYPE,...]";

static const struct {
    const char *name;
    enum weir_data_kind kind;
    size_t width;
    bool is_field; /* a declared struct may have it */
    bool is_alone; /* a value by itself may be it */
} kinds[] = {
    {"i8", WEIR_DATA_SIGNED, 1, false, true},
    {"i16", WEIR_DATA_SIGNED, 2, false, true},
    {"i32", WEIR_DATA_SIGNED, 4, true, true},
    {"i64", WEIR_DATA_SIGNED, 8, true, true},
    {"u8", WEIR_DATA_UNSIGNED, 1, false, true},
    {"u16", WEIR_DATA_UNSIGNED, 2, false, true},
    {"u32", WEIR_DATA_UNSIGNED, 4, false, true},
    {"u64", WEIR_DATA_UNSIGNED, 8, false, true},
    {"f32", WEIR_DATA_FLOAT, 4, false, true},
    {"f64", WEIR_DATA_FLOAT, 8, true, true},
    {"bool", WEIR_DATA_BOOL, 1, true, false},
    {"text", WEIR_DATA_TEXT, 0, true, true},
    {"slice", WEIR_DATA_SLICE, 0, true, false},
    {"windowed", WEIR_DATA_WINDOWED, 0, false, true},
    {"windowed-changelog", WEIR_DATA_WINDOWED, 4, false, true},
    {"session", WEIR_DATA_SESSION, 0, false, true},
};

/* ---- texts ----------------------------------------------------------------------------------- */

static bool take_word(struct weir_slice *rest, const char *word)
{
    size_t size = strlen(word);
    if (rest->size < size || memcmp(rest->data, word, size) != 0) return false;
    *rest = weir_slice(rest->data + size, rest->size - size);
    return true;
}

static void skip(struct weir_slice *rest, size_t size)
{
    *rest = weir_slice(rest->data + size, rest->size - size);
}

/* The size of what stands before the next of `ends`. */
static size_t span(struct weir_slice text, const char *ends)
{
    size_t size = 0;
    while (size < text.size && (text.data[size] == '\0' || strchr(ends, text.data[size]) == NULL)) {
        size++;
    }
    return size;
}

static int malformed(struct weir_slice rest, const char *what, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s at '%.*s'", what,
                          (int)weir_utf8_printable(rest, 40), (const char *)rest.data);
}

/* The text is a setting that any client shows, in a terminal and as a string of Kafka's protocol. */
static int check_printable(struct weir_slice text, struct weir_error *error)
{
    size_t at = weir_utf8_printable(text, text.size);
    if (at == text.size) return 0;
    bool is_utf8 = weir_utf8_size(weir_slice(text.data + at, text.size - at)) > 0;
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "a type's text %s: byte %zu is 0x%02x",
                          is_utf8 ? "has no control characters" : "is UTF-8", at + 1,
                          (unsigned)text.data[at]);
}

static int parse_simple(struct weir_slice word, bool is_field, struct weir_data_type *type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct weir_slice rest = word;
        if (!(is_field ? kinds[i].is_field : kinds[i].is_alone)) continue;
        if (!take_word(&rest, kinds[i].name)) continue;
        bool is_number = kinds[i].kind <= WEIR_DATA_FLOAT;
        bool is_little = is_number && !is_field && weir_slice_equal(rest, weir_text("le"));
        if (rest.size > 0 && !is_little) continue;
        type->kind = kinds[i].kind;
        type->width = kinds[i].width;
        type->is_little = is_little;
        return 0;
    }
    return WEIR_NOT_FOUND;
}

/* ---- structs --------------------------------------------------------------------------------- */

static int parse_struct(struct weir_slice *rest, int depth, struct weir_arena *arena,
                        struct weir_data_type *type, struct weir_error *error);

/* The fields that begin here, up to the bracket that ends their struct. */
static size_t count_fields(struct weir_slice text)
{
    size_t count = 1;
    int depth = 0;
    for (size_t i = 0; i < text.size && depth >= 0; i++) {
        depth += (text.data[i] == '[') - (text.data[i] == ']');
        count += depth == 0 && text.data[i] == ',';
    }
    return count;
}

/* In `before`, which is a struct's fields up to the next one, is one of its own called `name`. */
static bool has_field(struct weir_slice before, struct weir_slice name)
{
    int depth = 0;
    bool begins = true;
    for (size_t i = 0; i + name.size < before.size; i++) {
        const uint8_t *at = before.data + i;
        if (begins && at[name.size] == ':' && memcmp(at, name.data, name.size) == 0) return true;
        depth += (*at == '[') - (*at == ']');
        begins = depth == 0 && *at == ',';
    }
    return false;
}

/* `@N` behind a field's type. */
static int parse_since(struct weir_slice *rest, struct weir_data_type *field,
                       struct weir_error *error)
{
    struct weir_slice at = *rest;
    unsigned since = 0;
    if (!take_word(rest, "@")) return 0;
    while (rest->size > 0 && rest->data[0] >= '0' && rest->data[0] <= '9' && since <= UINT8_MAX) {
        since = 10 * since + (rest->data[0] - '0');
        skip(rest, 1);
    }
    if (since == 0 || since > UINT8_MAX) {
        return malformed(at, "behind @ comes a version, 1 to 255", error);
    }
    field->since = (uint8_t)since;
    return 0;
}

/* `name:type`, as much of `rest` as it takes. */
static int parse_field(struct weir_slice *rest, int depth, struct weir_arena *arena,
                       struct weir_data_type *field, struct weir_error *error)
{
    size_t size = span(*rest, ":,[]");
    if (size == 0 || size == rest->size || rest->data[size] != ':') {
        return malformed(*rest, "a field is NAME:TYPE", error);
    }
    field->name = weir_slice(rest->data, size);
    skip(rest, size + 1);
    if (take_word(rest, "struct[")) {
        int rc = parse_struct(rest, depth + 1, arena, field, error);
        return rc < 0 ? rc : parse_since(rest, field, error);
    }
    size = span(*rest, ",]@");
    if (parse_simple(weir_slice(rest->data, size), true, field) < 0) {
        return malformed(*rest, "a field's type is bool, i32, i64, f64, text, slice or struct[...]",
                         error);
    }
    skip(rest, size);
    return parse_since(rest, field, error);
}

/* Behind `struct[`, up to and with its bracket. */
static int parse_struct(struct weir_slice *rest, int depth, struct weir_arena *arena,
                        struct weir_data_type *type, struct weir_error *error)
{
    struct weir_data_type *fields = NULL;
    size_t count = 0;
    const uint8_t *begin = rest->data;
    if (depth > WEIR_DATA_TYPE_DEPTH_MAX) return malformed(*rest, "structs lie too deep", error);
    if (arena != NULL) {
        fields = weir_arena_array(arena, count_fields(*rest), sizeof *fields);
        if (fields == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    do {
        struct weir_data_type field = {0};
        struct weir_slice at = *rest;
        int rc = parse_field(rest, depth, arena, &field, error);
        if (rc < 0) return rc;
        if (has_field(weir_slice(begin, (size_t)(at.data - begin)), field.name)) {
            return malformed(at, "a struct has another field of this name before the one", error);
        }
        if (fields != NULL) fields[count] = field;
        count++;
    } while (take_word(rest, ","));
    if (!take_word(rest, "]")) return malformed(*rest, "a struct ends with a bracket", error);
    type->kind = WEIR_DATA_STRUCT;
    type->fields = fields;
    type->field_count = count;
    return 0;
}

/* ---- the door -------------------------------------------------------------------------------- */

static int parse_plain(struct weir_slice text, struct weir_arena *arena,
                       struct weir_data_type *type, struct weir_error *error)
{
    struct weir_slice rest = text;
    if (!take_word(&rest, "struct[")) return parse_simple(text, false, type);
    int rc = parse_struct(&rest, 1, arena, type, error);
    if (rc == 0 && rest.size > 0) rc = malformed(rest, "nothing comes behind a struct", error);
    return rc;
}

static bool is_windowed(const struct weir_data_type *type)
{
    return type->kind == WEIR_DATA_WINDOWED || type->kind == WEIR_DATA_SESSION;
}

/* Behind `windowed[`: the type of the key, and the bracket. */
static int parse_key(struct weir_slice rest, struct weir_arena *arena, struct weir_data_type *type,
                     struct weir_error *error)
{
    struct weir_data_type key = {0};
    if (rest.size == 0 || rest.data[rest.size - 1] != ']') {
        return malformed(rest, "windowed[TYPE] ends with a bracket", error);
    }
    int rc = parse_plain(weir_slice(rest.data, rest.size - 1), arena, &key, error);
    if (rc == WEIR_NOT_FOUND || (rc == 0 && is_windowed(&key))) {
        return malformed(rest, "a windowed key is of text, numbers or a struct", error);
    }
    if (rc < 0 || arena == NULL) return rc;
    struct weir_data_type *kept = weir_arena_alloc(arena, sizeof *kept);
    if (kept == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    *kept = key;
    type->fields = kept;
    type->field_count = 1;
    return 0;
}

/* `sliced` and the windows' size in ms, which says nothing of the bytes: they are those of a windowed key. */
static bool take_sliced(struct weir_slice *rest, struct weir_data_type *type)
{
    struct weir_slice behind = *rest;
    if (!take_word(&behind, "sliced")) return false;
    const size_t size = span(behind, "[");
    bool is_number = size > 0 && size <= 19;
    for (size_t i = 0; i < size && is_number; i++) {
        is_number = behind.data[i] >= '0' && behind.data[i] <= '9';
    }
    if (!is_number) return false;
    skip(&behind, size);
    *rest = behind;
    type->kind = WEIR_DATA_WINDOWED;
    return true;
}

/* Values of a versioned store are as they are elsewhere: what differs is which of a key's are kept. */
static int parse_versioned(struct weir_slice rest, struct weir_arena *arena,
                           struct weir_data_type *type, struct weir_error *error)
{
    if (rest.size == 0) return parse_simple(weir_text("text"), false, type);
    if (!take_word(&rest, "[")) return WEIR_NOT_FOUND;
    if (rest.size == 0 || rest.data[rest.size - 1] != ']') {
        return malformed(rest, "versioned[TYPE] ends with a bracket", error);
    }
    int rc = parse_plain(weir_slice(rest.data, rest.size - 1), arena, type, error);
    if (rc != WEIR_NOT_FOUND && (rc < 0 || !is_windowed(type))) return rc;
    return malformed(rest, "a versioned value is of text, numbers or a struct", error);
}

int weir_data_type_parse(struct weir_slice text, struct weir_arena *arena,
                         struct weir_data_type *type_out, struct weir_error *error)
{
    struct weir_data_type type = {0};
    struct weir_slice rest = text;
    int rc;
    if (text.size > WEIR_DATA_TYPE_TEXT_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%zu characters, at most %d", text.size,
                              (int)WEIR_DATA_TYPE_TEXT_MAX);
    }
    if ((rc = check_printable(text, error)) < 0) return rc;
    if (take_word(&rest, "windowed[") || take_word(&rest, "windowed-changelog[") ||
        take_word(&rest, "session[")) {
        rc = parse_simple(weir_slice(text.data, text.size - rest.size - 1), false, &type);
        if (rc == 0) rc = parse_key(rest, arena, &type, error);
    } else if (take_word(&rest, "versioned")) {
        rc = parse_versioned(rest, arena, &type, error);
    } else if (take_sliced(&rest, &type)) {
        rc = take_word(&rest, "[") ? parse_key(rest, arena, &type, error) : 0;
    } else {
        rc = parse_plain(text, arena, &type, error);
    }
    if (rc == 0 && arena != NULL) *type_out = type;
    return rc;
}

/* ---- one type's bytes, read as another ------------------------------------------------------- */

static bool is_in(const struct weir_data_type *field, uint8_t version)
{
    return field->since <= version;
}

/* Names are all that is known of what a field means: one of another name is another field. */
static bool reads_fields(const struct weir_data_type *reader, const struct weir_data_type *written,
                         uint8_t version, struct weir_slice *field_out)
{
    size_t at = 0;
    for (size_t i = 0; i < written->field_count; i++) {
        const struct weir_data_type *was = &written->fields[i];
        *field_out = was->name;
        while (at < reader->field_count && !is_in(&reader->fields[at], version)) {
            at++; /* newer than all that was written */
        }
        if (at == reader->field_count) return false;
        const struct weir_data_type *now = &reader->fields[at++];
        bool is_same_since = now->since == was->since || (now->since <= 1 && was->since <= 1);
        if (!weir_slice_equal(now->name, was->name) || !is_same_since) return false;
        if (!weir_data_type_reads(now, was, version, field_out)) {
            if (weir_slice_is_null(*field_out)) *field_out = was->name;
            return false;
        }
    }
    for (; at < reader->field_count; at++) {
        *field_out = reader->fields[at].name;
        if (is_in(&reader->fields[at], version)) return false;
    }
    *field_out = weir_null();
    return true;
}

bool weir_data_type_reads(const struct weir_data_type *reader, const struct weir_data_type *written,
                          uint8_t version, struct weir_slice *field_out)
{
    *field_out = weir_null();
    if (reader->kind != written->kind || reader->width != written->width ||
        reader->is_little != written->is_little) {
        return false;
    }
    if (written->kind == WEIR_DATA_STRUCT) {
        return reads_fields(reader, written, version, field_out);
    }
    if (reader->field_count != written->field_count) return false;
    return written->field_count == 0 ||
           weir_data_type_reads(reader->fields, written->fields, version, field_out);
}
