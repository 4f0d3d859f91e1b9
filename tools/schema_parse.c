#include "tools/schema_parser.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/**
 * From JSON to the model, with every rule of wire/schemas/README.md checked here, so that what is
 * emitted needs no checks. A failure is said once, with file, place and reason, and travels up as
 * false.
 */

enum { DEPTH_MAX = 16 };

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"bool", KIND_BOOL},     {"int8", KIND_INT8},       {"int16", KIND_INT16},
    {"uint16", KIND_UINT16}, {"int32", KIND_INT32},     {"uint32", KIND_UINT32},
    {"int64", KIND_INT64},   {"float64", KIND_FLOAT64}, {"uuid", KIND_UUID},
    {"string", KIND_STRING}, {"bytes", KIND_BYTES},     {"records", KIND_RECORDS},
};

static const struct structure *find_structure(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->structure_count; i++) {
        if (strcmp(schema->structures[i]->name, name) == 0) return schema->structures[i];
    }
    return NULL;
}

static const struct structure *parse_structure(struct parser *parser, const char *name,
                                               const char *about, json_t *fields);

/* The struct that a field names: its own, one of the common ones, or one that was read before. */
static bool parse_struct_type(struct parser *parser, struct field *field, const char *name,
                              json_t *object)
{
    if (!isupper((unsigned char)name[0])) {
        return parser_fail(parser, field->name, "unknown type '%s'", name);
    }
    json_t *fields = json_object_get(object, "fields");
    field->kind = KIND_STRUCT;
    field->structure = find_structure(parser->schema, name);
    if (field->structure != NULL) {
        return fields == NULL ||
               parser_fail(parser, field->name, "struct '%s' is defined twice", name);
    }
    const char *about = field->about;
    size_t index;
    json_t *common;
    json_array_foreach(parser->common, index, common)
    {
        const char *common_name = json_string_value(json_object_get(common, "name"));
        if (fields == NULL && common_name != NULL && strcmp(common_name, name) == 0) {
            fields = json_object_get(common, "fields");
            about = json_string_value(json_object_get(common, "about"));
        }
    }
    if (fields == NULL) return parser_fail(parser, field->name, "struct '%s' has no fields", name);
    if (parser->depth == DEPTH_MAX) {
        return parser_fail(parser, field->name,
                           "structs nest deeper than %d, or contain themselves", DEPTH_MAX);
    }
    parser->depth++;
    field->structure = parse_structure(parser, name, about, fields);
    parser->depth--;
    return field->structure != NULL;
}

static bool parse_type(struct parser *parser, struct field *field, json_t *object)
{
    const char *type;
    if (!parser_require_text(parser, field->name, object, "type", &type)) return false;
    if (strncmp(type, "[]", 2) == 0) {
        field->is_array = true;
        type += 2;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, type) == 0) {
            field->kind = kinds[i].kind;
            if (json_object_get(object, "fields") == NULL) return true;
            return parser_fail(parser, field->name, "'fields' on a field of type '%s'", type);
        }
    }
    return parse_struct_type(parser, field, type, object);
}

static bool parse_int_default(struct parser *parser, struct field *field, const char *text,
                              int64_t min, int64_t max)
{
    char *end = NULL;
    errno = 0;
    int64_t value = strtoll(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        return parser_fail(parser, field->name,
                           "default '%s' is not between %" PRId64 " and %" PRId64, text, min, max);
    }
    if (value == 0) return true;
    field->default_text =
        value == INT64_MIN ? "INT64_MIN" : schema_format(parser->schema, "%" PRId64, value);
    return true;
}

static bool parse_float_default(struct parser *parser, struct field *field, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0') {
        return parser_fail(parser, field->name, "default '%s' is not a number", text);
    }
    if (value < 0 || value > 0) {
        field->default_text = schema_format(parser->schema, "%.17g", value);
    }
    return true;
}

static bool parse_string_default(struct parser *parser, struct field *field, const char *text)
{
    if (strpbrk(text, "\"\\\n") != NULL) {
        return parser_fail(parser, field->name, "default with a quote, backslash or newline");
    }
    if (text[0] != '\0') field->default_text = schema_format(parser->schema, "\"%s\"", text);
    return true;
}

static bool parse_value_default(struct parser *parser, struct field *field, const char *text)
{
    if (field->is_array || field->kind == KIND_STRUCT || field->kind == KIND_UUID ||
        field->kind == KIND_BYTES || field->kind == KIND_RECORDS) {
        return parser_fail(parser, field->name, "default '%s': only null can be its default", text);
    }
    switch (field->kind) {
    case KIND_BOOL:
        if (strcmp(text, "true") == 0) field->default_text = "true";
        return field->default_text != NULL || strcmp(text, "false") == 0 ||
               parser_fail(parser, field->name, "default '%s' is neither true nor false", text);
    case KIND_INT8:
        return parse_int_default(parser, field, text, INT8_MIN, INT8_MAX);
    case KIND_INT16:
        return parse_int_default(parser, field, text, INT16_MIN, INT16_MAX);
    case KIND_UINT16:
        return parse_int_default(parser, field, text, 0, UINT16_MAX);
    case KIND_INT32:
        return parse_int_default(parser, field, text, INT32_MIN, INT32_MAX);
    case KIND_UINT32:
        return parse_int_default(parser, field, text, 0, UINT32_MAX);
    case KIND_INT64:
        return parse_int_default(parser, field, text, INT64_MIN, INT64_MAX);
    case KIND_FLOAT64:
        return parse_float_default(parser, field, text);
    case KIND_STRING:
        return parse_string_default(parser, field, text);
    case KIND_UUID:
    case KIND_BYTES:
    case KIND_RECORDS:
    case KIND_STRUCT:
        break;
    }
    return false;
}

static bool parse_default(struct parser *parser, struct field *field, json_t *object)
{
    const char *text;
    if (!parser_get_text(parser, field->name, object, "default", &text)) return false;
    if (text != NULL && strcmp(text, "null") == 0) {
        field->is_default_null = true;
        return versions_contain(field->nullable, field->versions) ||
               parser_fail(parser, field->name,
                           "default null, but not nullable in all its versions");
    }
    if (field_is_pointer(field)) {
        return parser_fail(parser, field->name, "a nullable struct needs \"default\": \"null\"");
    }
    return text == NULL || parse_value_default(parser, field, text);
}

static bool check_nullable(const struct parser *parser, const struct field *field)
{
    if (versions_empty(field->nullable)) return true;
    bool can_be_null = field->is_array || field->kind == KIND_STRUCT || kind_is_bytes(field->kind);
    if (!can_be_null)
        return parser_fail(parser, field->name, "a field of this type cannot be null");
    return versions_contain(field->versions, field->nullable) ||
           parser_fail(parser, field->name, "'nullableVersions' leaves 'versions'");
}

static bool check_tagged(const struct parser *parser, const struct field *field)
{
    if (versions_empty(field->tagged)) {
        return field->tag < 0 || parser_fail(parser, field->name, "'tag' without 'taggedVersions'");
    }
    if (field->tag < 0) return parser_fail(parser, field->name, "'taggedVersions' without 'tag'");
    if (field->tagged.max != field->versions.max || field->tagged.min < field->versions.min) {
        return parser_fail(parser, field->name, "'taggedVersions' must be the last of 'versions'");
    }
    return versions_contain(parser->schema->flexible, field->tagged) ||
           parser_fail(parser, field->name, "tagged in a version that is not flexible");
}

static bool parse_tag(struct parser *parser, struct field *field, json_t *object)
{
    json_t *tag = json_object_get(object, "tag");
    field->tag = -1;
    if (tag == NULL) return true;
    if (!json_is_integer(tag) || json_integer_value(tag) < 0 ||
        json_integer_value(tag) > INT16_MAX) {
        return parser_fail(parser, field->name, "'tag' must be a number from 0 on");
    }
    field->tag = (int)json_integer_value(tag);
    return true;
}

static bool parse_plainness(struct parser *parser, struct field *field, json_t *object)
{
    const char *text;
    if (!parser_get_text(parser, field->name, object, "flexibleVersions", &text)) return false;
    if (text == NULL) return true;
    field->is_always_plain = true;
    return (strcmp(text, "none") == 0 && field->kind == KIND_STRING && !field->is_array) ||
           parser_fail(parser, field->name, "'flexibleVersions' can only be \"none\", on a string");
}

static bool parse_field(struct parser *parser, struct field *field, json_t *object)
{
    static const char *const known[] = {
        "name",    "type",      "versions", "nullableVersions", "taggedVersions",   "tag",
        "default", "ignorable", "about",    "fields",           "flexibleVersions", NULL};
    if (!json_is_object(object)) return parser_fail(parser, NULL, "a field must be an object");
    if (!parser_require_text(parser, NULL, object, "name", &field->name)) return false;
    field->c_name = parser_snake_case(parser, field->name);
    return parser_check_name(parser, field->name, field->name) &&
           parser_check_keys(parser, field->name, object, known) &&
           parser_require_text(parser, field->name, object, "about", &field->about) &&
           parser_get_bool(parser, field->name, object, "ignorable", &field->is_ignorable) &&
           parser_get_versions(parser, field->name, object, "versions", &field->versions) &&
           parser_get_versions(parser, field->name, object, "nullableVersions", &field->nullable) &&
           parser_get_versions(parser, field->name, object, "taggedVersions", &field->tagged) &&
           parse_tag(parser, field, object) && parse_type(parser, field, object) &&
           parse_plainness(parser, field, object) && check_nullable(parser, field) &&
           check_tagged(parser, field) && parse_default(parser, field, object) &&
           (!versions_empty(versions_meet(field->versions, parser->schema->valid)) ||
            parser_fail(parser, field->name, "'versions' is in none of the message's versions")) &&
           (!field->is_array || field_element_size_min(parser->schema, field) > 0 ||
            parser_fail(parser, field->name, "an element of the array can take no bytes at all"));
}

static bool check_unique(const struct parser *parser, const struct structure *structure,
                         const struct field *field)
{
    for (const struct field *other = structure->fields; other != field; other++) {
        if (strcmp(other->c_name, field->c_name) == 0) {
            return parser_fail(parser, field->name, "defined twice in '%s'", structure->name);
        }
        if (field->tag >= 0 && other->tag == field->tag) {
            return parser_fail(parser, field->name, "tag %d is '%s' already", field->tag,
                               other->name);
        }
    }
    return true;
}

static const struct structure *parse_structure(struct parser *parser, const char *name,
                                               const char *about, json_t *fields)
{
    struct schema *schema = parser->schema;
    if (!json_is_array(fields)) {
        parser_fail(parser, name, "'fields' must be an array");
        return NULL;
    }
    if (!parser_check_name(parser, name, name)) return NULL;
    bool is_root = strcmp(name, schema->name) == 0;
    struct structure *structure = schema_alloc(schema, sizeof *structure);
    structure->name = name;
    structure->about = about != NULL ? parser_copy(parser, about) : "";
    structure->local_name = parser_snake_case(parser, name);
    structure->c_name = is_root
                            ? schema->symbol
                            : schema_format(schema, "%s_%s", schema->symbol, structure->local_name);
    structure->fields = schema_alloc(schema, json_array_size(fields) * sizeof *structure->fields);
    size_t index;
    json_t *object;
    json_array_foreach(fields, index, object)
    {
        struct field *field = &structure->fields[index];
        if (!parse_field(parser, field, object) || !check_unique(parser, structure, field)) {
            return NULL;
        }
        structure->field_count++;
    }
    if (schema->structure_count == STRUCTURES_MAX) {
        parser_fail(parser, name, "more than %d structs", STRUCTURES_MAX);
        return NULL;
    }
    schema->structures[schema->structure_count++] = structure;
    return structure;
}

static bool parse_message_type(const struct parser *parser, json_t *object)
{
    static const char *const types[] = {"request",  "response",        "header",           "data",
                                        "metadata", "coordinator-key", "coordinator-value"};
    struct schema *schema = parser->schema;
    if (!parser_require_text(parser, NULL, object, "type", &schema->type)) return false;
    size_t i = 0;
    while (i < sizeof types / sizeof types[0] && strcmp(types[i], schema->type) != 0) {
        i++;
    }
    if (i == sizeof types / sizeof types[0]) {
        return parser_fail(parser, NULL, "unknown message type '%s'", schema->type);
    }
    json_t *api_key = json_object_get(object, "apiKey");
    bool needs_key = strcmp(schema->type, "header") != 0 && strcmp(schema->type, "data") != 0;
    schema->api_key = NO_API_KEY;
    if (needs_key != (api_key != NULL)) {
        return parser_fail(parser, NULL, "a message of type '%s' %s an 'apiKey'", schema->type,
                           needs_key ? "needs" : "cannot have");
    }
    if (api_key == NULL) return true;
    schema->api_key = (int)json_integer_value(api_key);
    return (json_is_integer(api_key) && json_integer_value(api_key) >= 0 &&
            json_integer_value(api_key) <= INT16_MAX) ||
           parser_fail(parser, NULL, "'apiKey' must be a number from 0 on");
}

/* A request on the wire is not the engine's request of the same name. */
static const char *choose_symbol(struct schema *schema)
{
    bool has_namesake =
        strcmp(schema->type, "request") == 0 || strcmp(schema->type, "response") == 0;
    return has_namesake ? schema_format(schema, "wire_%s", schema->c_name) : schema->c_name;
}

/* The build names what it expects of us after the file. */
static bool check_file_name(const struct parser *parser)
{
    const char *slash = strrchr(parser->schema->path, '/');
    const char *file = slash != NULL ? slash + 1 : parser->schema->path;
    const char *expected = schema_format(parser->schema, "%s.json", parser->schema->c_name);
    return strcmp(file, expected) == 0 ||
           parser_fail(parser, NULL, "the schema of '%s' belongs in '%s'", parser->schema->name,
                       expected);
}

static bool parse_message(struct parser *parser, json_t *object)
{
    static const char *const known[] = {"type",          "apiKey",           "name",
                                        "validVersions", "fields",           "commonStructs",
                                        "about",         "flexibleVersions", NULL};
    struct schema *schema = parser->schema;
    if (!json_is_object(object)) return parser_fail(parser, NULL, "a schema must be an object");
    if (!parser_check_keys(parser, NULL, object, known) ||
        !parser_require_text(parser, NULL, object, "name", &schema->name) ||
        !parser_check_name(parser, NULL, schema->name) ||
        !parser_require_text(parser, NULL, object, "about", &schema->about) ||
        !parse_message_type(parser, object) ||
        !parser_get_versions(parser, NULL, object, "validVersions", &schema->valid) ||
        !parser_get_versions(parser, NULL, object, "flexibleVersions", &schema->flexible)) {
        return false;
    }
    if (versions_empty(schema->valid) || schema->valid.max == INT16_MAX) {
        return parser_fail(parser, NULL, "'validVersions' must be a closed range");
    }
    if (!versions_empty(schema->flexible) && schema->flexible.max != INT16_MAX) {
        return parser_fail(parser, NULL,
                           "'flexibleVersions' must be \"none\" or open, such as \"2+\"");
    }
    schema->c_name = parser_snake_case(parser, schema->name);
    schema->symbol = choose_symbol(schema);
    if (!check_file_name(parser)) return false;
    parser->common = json_object_get(object, "commonStructs");
    if (parser->common != NULL && !json_is_array(parser->common)) {
        return parser_fail(parser, NULL, "'commonStructs' must be an array");
    }
    return parse_structure(parser, schema->name, schema->about,
                           json_object_get(object, "fields")) != NULL;
}

bool schema_read(struct schema *schema, const char *path)
{
    *schema = (struct schema){.path = path};
    struct parser parser = {.schema = schema};
    json_error_t error;
    json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return false;
    }
    bool is_read = parse_message(&parser, object);
    json_decref(object);
    if (!is_read) schema_free(schema);
    return is_read;
}
