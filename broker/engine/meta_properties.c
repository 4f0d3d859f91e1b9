#include "broker/engine/meta_properties.h"

#include <stdio.h>

#include "base/error.h"

/*
 * Java's properties, as far as Kafka's meta.properties uses them: `key=value` lines, `#` comments.
 * Keys that this version does not know are left alone, so that a later version may add some; one
 * that must be understood raises `version`, or is listed in `features`.
 */
struct line {
    struct weir_slice key;
    struct weir_slice value;
};

static struct weir_slice trim(struct weir_slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = weir_slice(text.data + 1, text.size - 1);
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\r')) {
        text.size--;
    }
    return text;
}

/* The next line that says something; false at the end. A line without '=' has a null value. */
static bool next_line(struct weir_slice *text, struct line *line_out)
{
    while (text->size > 0) {
        const uint8_t *newline = memchr(text->data, '\n', text->size);
        size_t size = newline != NULL ? (size_t)(newline - text->data) : text->size;
        size_t used = newline != NULL ? size + 1 : size;
        struct weir_slice line = trim(weir_slice(text->data, size));
        *text = weir_slice(text->data + used, text->size - used);
        if (line.size == 0 || line.data[0] == '#') continue;

        const uint8_t *equals = memchr(line.data, '=', line.size);
        size_t key_size = equals != NULL ? (size_t)(equals - line.data) : line.size;
        line_out->key = trim(weir_slice(line.data, key_size));
        line_out->value =
            equals == NULL ? weir_null() : trim(weir_slice(equals + 1, line.size - key_size - 1));
        return true;
    }
    return false;
}

static int corrupt(const struct line *line, const char *wanted, struct weir_error *error)
{
    return weir_error_set(error, WEIR_CORRUPT, "%.*s is '%.*s'; %s is wanted",
                          (int)(line->key.size > 40 ? 40 : line->key.size),
                          (const char *)line->key.data,
                          (int)(line->value.size > 60 ? 60 : line->value.size),
                          line->value.data != NULL ? (const char *)line->value.data : "", wanted);
}

/* A decimal number of up to nine digits. */
static bool parse_number(struct weir_slice text, int32_t *number_out)
{
    int32_t number = 0;
    if (text.data == NULL || text.size == 0 || text.size > 9) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *number_out = number;
    return true;
}

/* HAS_ALL: those that have to be there. */
enum { HAS_VERSION = 1, HAS_CLUSTER_ID = 2, HAS_DIRECTORY_ID = 4, HAS_NODE_ID = 8, HAS_ALL = 15 };
enum { HAS_LOG_EXISTS = 16 };

static bool is_key(const struct line *line, const char *key)
{
    return weir_slice_equal(line->key, weir_text(key));
}

/* Which of the keys it is, 0 for others; and each may be there once. */
static unsigned key_of(const struct line *line)
{
    if (is_key(line, "version")) return HAS_VERSION;
    if (is_key(line, "cluster.id")) return HAS_CLUSTER_ID;
    if (is_key(line, "directory.id")) return HAS_DIRECTORY_ID;
    if (is_key(line, "node.id")) return HAS_NODE_ID;
    if (is_key(line, "log.exists")) return HAS_LOG_EXISTS;
    return 0;
}

/* Text has none: what is not ours begins here, or the disk has given zeros back. */
static bool has_control_byte(const struct line *line)
{
    const uint8_t *end = line->value.data + line->value.size;
    for (const uint8_t *at = line->key.data; at < end; at++) {
        if (*at < ' ' && *at != '\t') return true;
    }
    return false;
}

static int take_line(const struct line *line, struct weir_meta_properties *properties,
                     unsigned *has, struct weir_error *error)
{
    unsigned key = key_of(line);
    if (weir_slice_is_null(line->value) || has_control_byte(line)) {
        return weir_error_set(error, WEIR_CORRUPT, "a line that is no key=value: '%.*s'",
                              (int)(line->key.size > 40 ? 40 : line->key.size),
                              (const char *)line->key.data);
    }
    if ((*has & key) != 0) {
        return weir_error_set(error, WEIR_CORRUPT, "%.*s is there twice", (int)line->key.size,
                              (const char *)line->key.data);
    }
    *has |= key;
    bool is_good = true;
    if (key == HAS_VERSION) {
        is_good = parse_number(line->value, &properties->version);
    } else if (key == HAS_NODE_ID) {
        is_good = parse_number(line->value, &properties->node_id);
    } else if (key == HAS_CLUSTER_ID) {
        is_good = weir_uuid_parse(line->value, &properties->cluster_id);
    } else if (key == HAS_DIRECTORY_ID) {
        is_good = weir_uuid_parse(line->value, &properties->directory_id);
    } else if (key == HAS_LOG_EXISTS) {
        properties->log_exists = weir_slice_equal(line->value, weir_text("true"));
        if (properties->log_exists) return 0;
        return corrupt(line, "true", error);
    } else if (is_key(line, "features") && line->value.size > 0) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "the directory needs the features '%.*s'; this version has none",
                              (int)(line->value.size > 100 ? 100 : line->value.size),
                              (const char *)line->value.data);
    }
    if (is_good) return 0;
    bool is_number = key == HAS_VERSION || key == HAS_NODE_ID;
    return corrupt(line, is_number ? "a number" : "an id of 22 characters", error);
}

void weir_meta_properties_encode(const struct weir_meta_properties *properties,
                                 struct weir_buffer *text)
{
    char cluster_id[WEIR_UUID_TEXT_SIZE];
    char directory_id[WEIR_UUID_TEXT_SIZE];
    char lines[256];
    int size = snprintf(
        lines, sizeof lines, "version=%d\ncluster.id=%s\ndirectory.id=%s\nnode.id=%d\nfeatures=\n",
        properties->version, weir_uuid_print(properties->cluster_id, cluster_id),
        weir_uuid_print(properties->directory_id, directory_id), properties->node_id);
    weir_buffer_append(text, lines, (size_t)size);
    if (properties->log_exists) weir_buffer_append(text, "log.exists=true\n", 16);
}

int weir_meta_properties_decode(struct weir_slice text, struct weir_meta_properties *properties_out,
                                struct weir_error *error)
{
    struct weir_meta_properties properties = {0};
    struct line line;
    unsigned has = 0;
    int rc = 0;
    /* The version first: what else stands in a newer file is not ours to judge. */
    for (struct weir_slice rest = text; next_line(&rest, &line) && (has & HAS_VERSION) == 0;) {
        if (is_key(&line, "version")) rc = take_line(&line, &properties, &has, error);
        if (rc < 0) return rc;
    }
    if ((has & HAS_VERSION) != 0 && properties.version > WEIR_DATA_DIRECTORY_VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "the directory has format version %d; this version reads up to %d",
                              properties.version, WEIR_DATA_DIRECTORY_VERSION);
    }
    has = 0;
    while (next_line(&text, &line)) {
        rc = take_line(&line, &properties, &has, error);
        if (rc < 0) return rc;
    }
    if ((has & HAS_ALL) != HAS_ALL || properties.version < 1) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "version, cluster.id, directory.id and node.id are wanted%s",
                              properties.version < 1 ? ", the version from 1 on" : "");
    }
    *properties_out = properties;
    return 0;
}
