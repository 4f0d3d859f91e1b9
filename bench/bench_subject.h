#ifndef WEIR_BENCH_BENCH_SUBJECT_H
#define WEIR_BENCH_BENCH_SUBJECT_H

#include "bench/bench_peer.h"

/**
 * The server that a benchmark of groups asks: ours, or an Apache Kafka (peers/peers.sh starts it). Both are asked the
 * same by the same client, in turns, for the machine is not the same a minute later. What Kafka comes to is kept, and
 * stands beside our row as a remark.
 */
enum { BENCH_FIGURES_MAX = 64, BENCH_FIGURE_NAME_SIZE = 80 };

struct bench_figure {
    char name[BENCH_FIGURE_NAME_SIZE];
    double value;
};

struct bench_subject {
    struct bench_server server;
    bool is_kafka;
    char data[300]; /* of ours */
    const char *const *arguments;
    struct bench_figure figures[BENCH_FIGURES_MAX]; /* Kafka's */
    size_t figure_count;
    const struct bench_subject
        *beside;        /* of ours: the Kafka that is asked the same just before; NULL: none */
    size_t shown_count; /* of its figures, for names that come more than once */
};

/** Ours, on a fresh directory; `arguments` as those of bench_server_start, borrowed. */
void bench_subject_start(struct bench_subject *subject, const char *const *arguments);
/** The Kafka that peers.sh has started. */
void bench_subject_kafka(struct bench_subject *subject);
/** Kill -9 and start again on what is there; `start_seconds` until it listens. */
void bench_subject_restart(struct bench_subject *subject);
/** Ours is stopped; Kafka is left to peers.sh. */
void bench_subject_stop(struct bench_subject *subject);

/** What it holds in memory: ours by what is resident, Kafka by the heap in use after a collection. */
double bench_subject_memory(const struct bench_subject *subject);
/** A topic, and groups: Kafka makes `__consumer_offsets` when it is asked for a coordinator, and either takes some
 * seconds until all parts of it know. */
void bench_subject_topic(struct bench_subject *subject, const char *topic, int32_t partitions);
/** A row of ours with Kafka's beside it, or of Kafka's, which is kept. The rows come in the same order for both. */
void bench_subject_row(struct bench_subject *subject, const struct bench_row *row);

#endif
