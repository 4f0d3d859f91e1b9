#include "base/siphash.h"

/* Words are little-endian, whatever the machine is. */
static uint64_t load_little_u64(const uint8_t *from)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) {
        word = word << 8 | from[i];
    }
    return word;
}

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void rounds(struct state *s, int count)
{
    for (int i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

struct weir_digest weir_siphash_128(const struct weir_siphash_key *key, struct weir_slice slice)
{
    const uint64_t k0 = load_little_u64(key->bytes);
    const uint64_t k1 = load_little_u64(key->bytes + 8);
    struct state s = {
        .v0 = k0 ^ 0x736f6d6570736575u,
        .v1 = k1 ^ 0x646f72616e646f6du ^ 0xee,
        .v2 = k0 ^ 0x6c7967656e657261u,
        .v3 = k1 ^ 0x7465646279746573u,
    };
    size_t at = 0;
    for (; slice.size - at >= 8; at += 8) {
        absorb(&s, load_little_u64(slice.data + at));
    }
    uint64_t last = (uint64_t)slice.size << 56;
    for (size_t i = 0; at + i < slice.size; i++) {
        last |= (uint64_t)slice.data[at + i] << (8 * i);
    }
    absorb(&s, last);
    struct weir_digest digest;
    s.v2 ^= 0xee;
    rounds(&s, 4);
    digest.words[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    digest.words[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return digest;
}
