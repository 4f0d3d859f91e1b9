#ifndef WEIR_TESTS_HOSTILE_SERVER_H
#define WEIR_TESTS_HOSTILE_SERVER_H

#include <sys/types.h>

#include "base/arena.h"
#include "tests/support/support.h"

/**
 * The program `weir server` as a process of its own, with a directory of its own, and what can be
 * seen of it from outside. It dies with the test.
 */
enum { HOSTILE_SETTINGS_MAX = 8, HOSTILE_SHARDS = 2 };

struct hostile_server {
    char path[WEIR_TEST_PATH_SIZE];
    pid_t pid;
    uint16_t port;
    struct weir_heap heap; /* the test's own memory */
    struct weir_budget budget;
    struct weir_arena arena; /* of what responses decode to, until hostile_end */
};

/** Start it with settings ("key=value", NULL behind the last), and wait until it listens. */
void hostile_begin(struct hostile_server *server, const char *const *settings);
/** Tell it to stop: it ends by itself, without a complaint. */
void hostile_end(struct hostile_server *server);

/** Bytes of memory that it has in use (RSS). */
int64_t hostile_memory(const struct hostile_server *server);
/** The most that it ever had. */
int64_t hostile_memory_peak(const struct hostile_server *server);
/** What the bound on memory is worth: a sanitizer keeps shadows and what was freed. */
int64_t hostile_memory_bound(int64_t bytes);
int hostile_descriptors(const struct hostile_server *server);
/** Lines of its log that contain `text`. */
int hostile_log_lines(const struct hostile_server *server, const char *text);

#endif
