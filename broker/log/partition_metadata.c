#include "broker/log/partition_metadata.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "broker/log/small_file.h"

enum { ID_TEXT_SIZE = 22, METADATA_SIZE_MAX = 4096 };

static const char file_name[] = "partition.metadata";
static const char before_id[] = "version: 0\ntopic_id: ";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* 128 bits as 22 digits of six, the last four bits of padding zero. */
static void encode_id(const struct weir_uuid *id, char *text)
{
    for (unsigned digit = 0; digit < ID_TEXT_SIZE; digit++) {
        unsigned value = 0;
        for (unsigned bit = digit * 6; bit < digit * 6 + 6; bit++) {
            unsigned is_set = bit < 128 ? (unsigned)(id->bytes[bit / 8] >> (7 - bit % 8)) & 1u : 0;
            value = value << 1 | is_set;
        }
        text[digit] = digits[value];
    }
}

static bool decode_id(const uint8_t *text, struct weir_uuid *id)
{
    *id = (struct weir_uuid){0};
    for (unsigned digit = 0; digit < ID_TEXT_SIZE; digit++) {
        const char *found = text[digit] != 0 ? strchr(digits, text[digit]) : NULL;
        if (found == NULL) return false;
        unsigned value = (unsigned)(found - digits);
        for (unsigned i = 0; i < 6; i++) {
            unsigned bit = digit * 6 + i;
            unsigned is_set = value >> (5 - i) & 1u;
            if (bit >= 128 && is_set) return false;
            if (is_set) id->bytes[bit / 8] |= (uint8_t)(1u << (7 - bit % 8));
        }
    }
    return true;
}

int weir_partition_metadata_read(struct weir_env *env, struct weir_budget *budget,
                                 const char *directory, struct weir_uuid *topic_id_out,
                                 struct weir_error *error)
{
    struct weir_log_path path = weir_log_path(directory, file_name);
    struct weir_uuid id;
    size_t before = sizeof before_id - 1;
    bool fits;
    struct weir_buffer text;
    weir_buffer_init(&text, budget, 0);
    int rc = weir_small_file_read(env, path.text, METADATA_SIZE_MAX, &text, error);
    if (rc < 0) goto out;

    fits = text.size == before + ID_TEXT_SIZE + 1 && memcmp(text.data, before_id, before) == 0 &&
           text.data[text.size - 1] == '\n' && decode_id(text.data + before, &id);
    if (fits) {
        *topic_id_out = id;
    } else {
        rc = weir_error_set(error, WEIR_CORRUPT, "'%s' is damaged", path.text);
    }
out:
    weir_buffer_close(&text);
    return rc;
}

int weir_partition_metadata_write(struct weir_env *env, const char *directory,
                                  const struct weir_uuid *topic_id, struct weir_error *error)
{
    char id[ID_TEXT_SIZE + 1] = {0};
    encode_id(topic_id, id);
    char text[sizeof before_id + sizeof id + 1];
    int size = snprintf(text, sizeof text, "%s%s\n", before_id, id);
    return weir_small_file_replace(
        &(struct weir_small_file_replace){.env = env,
                                          .directory = directory,
                                          .name = file_name,
                                          .bytes = weir_slice(text, (size_t)size)},
        error);
}
