#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include <stdint.h>

#include "weir/types.h"

/**
 * SipHash-2-4 with an output of 128 bits: a pseudo-random function under a secret key, for where two keys
 * that hash alike are taken for one. Nobody who does not know the key can find two inputs that do, which
 * of hashes without a secret (MD5, murmur2) and of fast ones with a seed (xxHash) cannot be said; by chance
 * a pair meets with probability 2^-128.
 *
 * Source: Aumasson, Bernstein: SipHash, a fast short-input PRF (2012), and its reference code's 128-bit variant.
 */
struct weir_siphash_key {
    uint8_t bytes[16];
};
struct weir_digest {
    uint64_t words[2];
};

struct weir_digest weir_siphash_128(const struct weir_siphash_key *key, struct weir_slice slice);

#endif
