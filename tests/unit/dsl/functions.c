#include "tests/unit/dsl/functions.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text text_null(void)
{
    return (struct text){.is_null = true};
}

struct text text_printf(const char *format, ...)
{
    struct text text = {0};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text.bytes, sizeof text.bytes, format, arguments); /* texts here are short */
    va_end(arguments);
    return text;
}

struct text text_of(const char *bytes)
{
    return text_printf("%s", bytes);
}

bool text_equal(const struct text *a, const struct text *b)
{
    if (a->is_null || b->is_null) return a->is_null == b->is_null;
    return strcmp(a->bytes, b->bytes) == 0;
}

static uint32_t mix_byte(uint32_t hash, uint8_t byte)
{
    return (hash ^ byte) * 16777619u;
}

static uint32_t mix(uint32_t hash, struct text text)
{
    hash = mix_byte(hash, text.is_null);
    for (const char *at = text.bytes; !text.is_null && *at != '\0'; at++) {
        hash = mix_byte(hash, (uint8_t)*at);
    }
    return hash;
}

static uint32_t hash_of(int salt, struct text a, struct text b)
{
    uint32_t hash = mix(mix(mix_byte(2166136261u, (uint8_t)salt), a), b);
    return hash ^ hash >> 15;
}

bool fn_fails(int salt, struct text key, struct text value)
{
    return hash_of(salt + 128, key, value) % 19 == 0;
}

bool fn_predicate(int salt, struct text key, struct text value)
{
    return hash_of(salt, key, value) % 4 != 0;
}

struct text fn_key(int salt, struct text key, struct text value)
{
    uint32_t hash = hash_of(salt, key, value);
    return hash % 13 == 0 ? text_null() : text_printf("k%u", hash % 6);
}

struct text fn_value(int salt, struct text key, struct text value)
{
    uint32_t hash = hash_of(salt, key, value);
    return hash % 17 == 0 ? text_null() : text_printf("v%u", hash % 1000);
}

int fn_fan(int salt, struct text key, struct text value)
{
    return (int)(hash_of(salt, key, value) % 3);
}

struct text fn_fold(int salt, struct text aggregate, struct text value)
{
    uint32_t hash = hash_of(salt, aggregate, value);
    return hash % 11 == 0 ? text_null() : text_printf("a%u", hash % 1000000);
}

struct text fn_join(int salt, struct text key, struct text stream, struct text table)
{
    uint32_t hash = mix(hash_of(salt, key, stream), table);
    return hash % 17 == 0 ? text_null() : text_printf("j%u", hash % 1000000);
}

struct processed fn_process(int salt, struct text key, struct text value, struct text old,
                            int64_t stream_time_ms)
{
    uint32_t hash = mix(hash_of(salt, key, value), old);
    return (struct processed){
        .stored = hash % 7 == 0 ? text_null() : text_printf("s%u", hash % 1000000),
        .forwards = hash % 3 != 0,
        .key = fn_key(salt, key, value),
        .value = text_printf("p%u@%lld", hash % 1000000, (long long)stream_time_ms),
    };
}
