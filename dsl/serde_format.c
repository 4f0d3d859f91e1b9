/**
 * What a serde writes, in words: the library's own serdes are known by their code, a declared struct by its
 * fields. A text that could not be read back as a type (a field's name with a bracket in it, structs within
 * structs too deep) is no text: a reader then shows the bytes as they are, which is never wrong.
 */
#include <stdio.h>
#include <string.h>

#include "base/data_type.h"
#include "dsl/logical.h"
#include "operators/objects.h"

static const char *field_word(enum weir_field_kind kind)
{
    switch (kind) {
    case WEIR_FIELD_KIND_BOOL:
        return "bool";
    case WEIR_FIELD_KIND_INT32:
        return "i32";
    case WEIR_FIELD_KIND_INT64:
        return "i64";
    case WEIR_FIELD_KIND_DOUBLE:
        return "f64";
    case WEIR_FIELD_KIND_TEXT:
        return "text";
    case WEIR_FIELD_KIND_SLICE:
        return "slice";
    case WEIR_FIELD_KIND_STRUCT:
        break; /* has fields of its own */
    }
    return NULL;
}

/* What was written so far; too long a text has failed. */
struct text {
    char bytes[WEIR_DATA_TYPE_TEXT_MAX + 1];
    size_t size;
    bool failed;
};

static void add(struct text *text, const char *part)
{
    size_t size = strlen(part);
    text->failed |= size >= sizeof text->bytes - text->size;
    if (text->failed) return;
    memcpy(text->bytes + text->size, part, size + 1);
    text->size += size;
}

static void add_struct(struct text *text, const struct weir_struct_type *type, int depth)
{
    text->failed |= type == NULL || depth > WEIR_DATA_TYPE_DEPTH_MAX;
    if (text->failed) return;
    add(text, "struct[");
    for (size_t i = 0; i < type->field_count && !text->failed; i++) {
        const struct weir_field *field = &type->fields[i];
        char since[8] = "";
        if (field->since > 0) (void)snprintf(since, sizeof since, "@%u", (unsigned)field->since);
        if (i > 0) add(text, ",");
        add(text, field->name);
        add(text, ":");
        if (field->kind == WEIR_FIELD_KIND_STRUCT) {
            add_struct(text, field->type, depth + 1);
        } else {
            add(text, field_word(field->kind));
        }
        add(text, since);
    }
    add(text, "]");
}

static void add_plain(struct text *text, const struct weir_serde *serde)
{
    static const struct {
        const struct weir_serde *serde;
        const char *text;
    } known[] = {
        {WEIR_STRING, "text"}, {WEIR_INT32, "i32"}, {WEIR_INT64, "i64"}, {WEIR_DOUBLE, "f64"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!weir_serde_equal(serde, known[i].serde)) continue;
        add(text, known[i].text);
        return;
    }
    add_struct(text, weir_serde_struct_type(serde), 1); /* fails of what is none */
}

const char *weir_serde_format(struct weir_arena *arena, const struct weir_serde *serde,
                              bool is_changelog)
{
    struct text text = {.size = 0};
    if (serde == NULL) return NULL;
    if (weir_serde_is_windowed(serde)) {
        add(&text, weir_serde_is_session(serde) ? "session["
                   : is_changelog               ? "windowed-changelog["
                                                : "windowed[");
        add_plain(&text, weir_windowed_serde_key(serde));
        add(&text, "]");
    } else {
        add_plain(&text, serde);
    }
    bool is_read_back =
        !text.failed && weir_data_type_parse(weir_text(text.bytes), NULL, NULL, NULL) == 0;
    return is_read_back ? weir_arena_printf(arena, "%s", text.bytes) : NULL;
}

const char *weir_slice_format(struct weir_arena *arena, const struct weir_serde *serde,
                              int64_t window_size_ms)
{
    const char *key = weir_serde_format(arena, weir_windowed_serde_key(serde), false);
    const bool has_key = key != NULL;
    return weir_arena_printf(arena, "sliced%lld%s%s%s", (long long)window_size_ms,
                             has_key ? "[" : "", has_key ? key : "", has_key ? "]" : "");
}

const char *weir_versioned_format(struct weir_arena *arena, const struct weir_serde *serde)
{
    const char *value = weir_serde_format(arena, serde, false);
    return value != NULL ? weir_arena_printf(arena, "versioned[%s]", value) : "versioned";
}

uint8_t weir_serde_version(const struct weir_serde *serde)
{
    if (serde == NULL) return 0;
    const struct weir_serde *plain =
        weir_serde_is_windowed(serde) ? weir_windowed_serde_key(serde) : serde;
    const struct weir_struct_type *type = weir_serde_struct_type(plain);
    return type != NULL ? type->version : 0;
}
