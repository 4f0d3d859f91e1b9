#include "broker/metadata/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(uint8_t character)
{
    const char *found = character != 0 ? strchr(alphabet, character) : NULL;
    return found != NULL ? (int)(found - alphabet) : -1;
}

struct weir_uuid weir_uuid_random(struct weir_env *env)
{
    struct weir_uuid id;
    do {
        weir_random(env, id.bytes, sizeof id.bytes);
    } while (id.bytes[0] >> 2 == 62); /* '-' */
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

const char *weir_uuid_print(struct weir_uuid id, char text[WEIR_UUID_TEXT_SIZE])
{
    unsigned bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        bits = bits << 8 | id.bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            text[size++] = alphabet[bits >> bit_count & 63];
        }
    }
    text[size++] = alphabet[bits << (6 - bit_count) & 63];
    text[size] = '\0';
    return text;
}

bool weir_uuid_parse(struct weir_slice text, struct weir_uuid *id_out)
{
    if (text.size != WEIR_UUID_TEXT_SIZE - 1) return false;

    struct weir_uuid id;
    unsigned bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.data[i]);
        if (value < 0) return false;
        bits = bits << 6 | (unsigned)value;
        bit_count += 6;
        if (bit_count >= 8 && size < sizeof id.bytes) {
            bit_count -= 8;
            id.bytes[size++] = (uint8_t)(bits >> bit_count);
        }
    }
    *id_out = id;
    return true;
}
