#ifndef WEIR_TESTS_DATA_STAGE_H
#define WEIR_TESTS_DATA_STAGE_H

#include "base/env/sim/sim.h"
#include "server/handlers/fetch_part.h"
#include "server/handlers/handlers.h"
#include "server/server_config.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

/**
 * Handlers over a real engine in the simulator, without sockets: the stage plays the server's part
 * on one shard. Requests are encoded and decoded in their version, and so are answers, with the
 * records put where they belong.
 */
struct weir_server_part {
    struct weir_server_config config;
    struct weir_part_sessions sessions;
    struct weir_budget budget;
    int64_t parked;
};

struct weir_connection {
    struct weir_connection_keep keep;
};

struct stage {
    struct engine engine;
    struct weir_server_part part;
    struct weir_connection connections[8];
    struct weir_heap heap; /* of the stage itself */
    struct weir_budget budget;
    struct weir_arena arena; /* of requests and answers; gone with the stage */
    bool forbids;            /* nobody may do anything */
    /* Armed when a request goes to its handler; each call of its arena is then an allocation. NULL: none. */
    struct weir_test_failures *failures;
};

enum outcome { PENDING, REPLIED, NOTHING, CLOSED };

/* One request under way. */
struct call {
    struct weir_request_context context; /* first */
    struct stage *stage;
    const struct weir_message_type *answer_type;
    enum outcome outcome;
    const void *answer; /* decoded */
    size_t answer_bytes;
    size_t file_bytes; /* of the records, those that came from a file */
    char reason[256];
};

/** Opened, with one shard. */
void stage_init(struct stage *stage);
/** Everybody leaves; nothing of the handlers' may be left. */
void stage_end(struct stage *stage);

typedef void (*stage_handler)(struct weir_request_context *context);
/** Begin a request on a connection (0..7). */
struct call *stage_begin(struct stage *stage, int connection, stage_handler handle,
                         const struct weir_message_type *asked,
                         const struct weir_message_type *answer, int16_t version,
                         const void *request);
/** Run until it is answered. */
void stage_wait(struct call *call);
/** Let `ms` of virtual time pass. */
void stage_pass(struct stage *stage, int64_t ms);
/** The connection is cut: what is under way on it is abandoned. */
void stage_cut(struct stage *stage, int connection, struct call *under_way);
/** Engine requests that fetches have sent so far. */
int64_t stage_fetches_sent(struct stage *stage);

void stage_create(struct stage *stage, const char *topic, int32_t partition_count);
struct weir_uuid stage_topic_id(struct stage *stage, const char *topic);
/** A batch of one record, as a client sends it, in the stage's arena. */
struct weir_slice stage_batch(struct stage *stage, const char *value);
/** Appended by the embedded way; its offset. */
int64_t stage_append(struct stage *stage, const char *topic, int32_t partition, const char *value);

/* ---- fetch ----------------------------------------------------------------------------------- */

struct fetch_from {
    const char *topic; /* asked by name or by id, as the version has it */
    int32_t partition;
    int64_t offset;
    int32_t size_max;      /* 0: 1 MiB */
    int32_t current_epoch; /* 0: none (-1); else what it is, and -2 is 0 */
    int32_t fetched_epoch; /* the same */
    bool unknown_id;       /* an id that nothing has */
};

struct fetch_spec {
    int connection;
    int16_t version; /* 0: 12 */
    int32_t session_id;
    int32_t session_epoch;
    int32_t wait_ms;    /* 0: 1000; -1: 0 */
    int32_t min_bytes;  /* 0: 1; -1: 0 */
    int32_t max_bytes;  /* 0: 50 MiB */
    int32_t replica_id; /* 0: a client; else what it is */
    int8_t isolation;
    const struct fetch_from *from;
    size_t from_count;
    const struct fetch_from *forget;
    size_t forget_count;
};

/* One place, with what else is said of it; and lists of them, in a spec. */
#define AT(name, number, from, ...)                                                                \
    {                                                                                              \
        .topic = (name), .partition = (number), .offset = (from), ##__VA_ARGS__                    \
    }
#define LIST_OF(member, ...)                                                                       \
    .member = (const struct fetch_from[]){__VA_ARGS__},                                            \
    .member##_count = sizeof((const struct fetch_from[]){__VA_ARGS__}) / sizeof(struct fetch_from)
#define FROM(...) LIST_OF(from, __VA_ARGS__)
#define FORGET(...) LIST_OF(forget, __VA_ARGS__)

struct call *fetch_begin(struct stage *stage, const struct fetch_spec *spec);
/** Begin and wait. */
struct call *fetch(struct stage *stage, const struct fetch_spec *spec);
const struct weir_wire_fetch_response *fetched(const struct call *call);
size_t fetched_count(const struct call *call);
/** The n-th partition of the answer. */
const struct weir_wire_fetch_response_partition_data *fetched_at(const struct call *call, size_t n);
/** Batches in it. */
int fetched_batches(const struct weir_wire_fetch_response_partition_data *partition);

#endif
