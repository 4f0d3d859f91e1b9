#include "identity.h"

#include <stdio.h>
#include <sys/stat.h>

static const uint64_t FNV_BASIS = 0xcbf29ce484222325;
static const uint64_t FNV_PRIME = 0x100000001b3;

static bool hash_file(FILE *file, int64_t size_max, struct identity *identity)
{
    unsigned char bytes[64 * 1024];
    identity->hash = FNV_BASIS;
    while (size_max < 0 || identity->size < size_max) {
        int64_t left = size_max < 0 ? (int64_t)sizeof bytes : size_max - identity->size;
        size_t wanted = left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes;
        size_t got = fread(bytes, 1, wanted, file);
        for (size_t i = 0; i < got; i++)
            identity->hash = (identity->hash ^ bytes[i]) * FNV_PRIME;
        identity->size += (int64_t)got;
        if (got < wanted) break;
    }
    return ferror(file) == 0;
}

bool identity_read(const char *path, int64_t size_max, struct identity *identity_out)
{
    struct stat status;
    struct identity identity = {0};
    if (stat(path, &status) != 0) return false;
    identity.is_file = S_ISREG(status.st_mode);
    if (identity.is_file) {
        FILE *file = fopen(path, "r");
        bool is_read = file != NULL && hash_file(file, size_max, &identity);
        if (file != NULL) (void)fclose(file);
        if (!is_read) return false;
    }
    *identity_out = identity;
    return true;
}

bool identity_is_same(const char *path, const struct identity *before)
{
    struct identity now;
    return before->is_file && identity_read(path, before->size, &now) && now.is_file &&
           now.size == before->size && now.hash == before->hash;
}
