#ifndef FRAUD_IDENTITY_H
#define FRAUD_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * What a file was when it was read: its size and a hash of all its bytes, FNV-1a of 64 bits. A file that
 * has grown is still the same as far as it went; one that was changed or exchanged is not. Something
 * else than a file, a pipe say, has no identity.
 */
struct identity {
    bool is_file;
    int64_t size;
    uint64_t hash;
};

/** Of the first `size_max` bytes of `path`; -1: of all. False: it cannot be read, errno says why. */
bool identity_read(const char *path, int64_t size_max, struct identity *identity_out);
/** Is the file at `path` the one that `before` tells of, perhaps with more at its end? */
bool identity_is_same(const char *path, const struct identity *before);

#endif
