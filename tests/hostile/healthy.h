#ifndef WEIR_TESTS_HEALTHY_H
#define WEIR_TESTS_HEALTHY_H

#include "base/codec/compress.h"
#include "tests/hostile/hostile_peer.h"

/**
 * The client that must not notice: it writes records of its own and reads them back, and knows what
 * the server looked like before anything bad happened.
 */
struct healthy {
    struct hostile_server *server;
    int peer;
    int64_t end_offset; /* of its topic, so far */
    int descriptors;    /* of the server, before */
    int64_t memory;
};

/** Connects and makes its topic. */
void healthy_begin(struct healthy *healthy, struct hostile_server *server);
/** So many times: produce a record, fetch it, find it to be what was written. */
void healthy_work(struct healthy *healthy, int rounds);
/** What a storm leaves: after it has passed, the server has as many descriptors as before and at
 * most `memory` bytes more, and all records of the healthy client are there and its own. */
void healthy_expect_calm(struct healthy *healthy, int64_t memory);
void healthy_end(struct healthy *healthy);

/** CreateTopics 5 of one topic, over a connection that is there: Kafka's number of the answer. */
int16_t healthy_ask_topic(struct hostile_server *server, int peer, const char *name,
                          int32_t partitions);
/** A topic with partitions; the name outlives the server. */
void healthy_create_topic(struct hostile_server *server, const char *name, int32_t partitions);
int64_t healthy_log_end(struct hostile_server *server, const char *topic, int32_t partition);

/** One batch with `count` records of `value`, uncompressed or not; in the server's arena. */
struct healthy_batch {
    enum weir_codec codec;
    struct weir_slice value;
    int count; /* 0: one */
};
struct weir_slice healthy_batch(struct hostile_server *server, const struct healthy_batch *batch);

/** Produce 9 of one batch to one partition: Kafka's number of the answer. */
int16_t healthy_produce(struct hostile_server *server, int peer, const char *topic,
                        int32_t partition, struct weir_slice batch);
#endif
