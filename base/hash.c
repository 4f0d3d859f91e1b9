#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Not weir_load_u32: murmur2 reads little-endian words. */
static uint32_t load_little_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

/* Source: Austin Appleby's MurmurHash2, 32 bits, with the seed of Kafka's clients. */
int32_t weir_murmur2(struct weir_slice slice)
{
    const uint32_t mix = 0x5bd1e995;
    uint32_t hash = 0x9747b28c ^ (uint32_t)slice.size;
    const uint8_t *at = slice.data;
    size_t left = slice.size;

    for (; left >= 4; at += 4, left -= 4) {
        uint32_t word = load_little_u32(at) * mix;
        word = (word ^ word >> 24) * mix;
        hash = hash * mix ^ word;
    }
    if (left >= 3) hash ^= (uint32_t)at[2] << 16;
    if (left >= 2) hash ^= (uint32_t)at[1] << 8;
    if (left >= 1) hash = (hash ^ at[0]) * mix;

    hash = (hash ^ hash >> 13) * mix;
    return (int32_t)(hash ^ hash >> 15);
}

uint64_t weir_hash(struct weir_slice slice)
{
    return XXH3_64bits(slice.data, slice.size);
}

uint64_t weir_hash_seeded(struct weir_slice slice, uint64_t seed)
{
    return XXH3_64bits_withSeed(slice.data, slice.size, seed);
}
