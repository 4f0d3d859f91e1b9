#ifndef WEIR_BENCH_BENCH_SERVE_H
#define WEIR_BENCH_BENCH_SERVE_H

#include "bench/bench_peer.h"

/** What the benchmarks of the port share: requests made once and sent many times. */

/** One batch of 100 B records (one record if `record_size` says so), about `size` bytes of it. */
void bench_make_batch(struct weir_budget *budget, size_t size, size_t record_size,
                      struct weir_buffer *batch_out, int32_t *record_count_out);
/** A produce request, version 9, of this batch to one partition. */
void bench_produce_frame(struct bench_client *client, const char *topic, int32_t partition,
                         int16_t acks, struct weir_slice batch, struct weir_buffer *frame_out);
/** Fail unless the response says that the one partition was appended to. */
void bench_check_produced(struct bench_client *client, struct weir_slice response);
/** A fetch request, version 11, of one partition. */
struct bench_fetch {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t wait_ms;
    int32_t size_min;
    int32_t size_max;
};
void bench_fetch_frame(struct bench_client *client, const struct bench_fetch *fetch,
                       struct weir_buffer *frame_out);

/** Send `count` of the frames in turn with `in_flight` unanswered ones. */
void bench_stream(struct bench_client *client, const struct weir_buffer *frames, size_t frame_count,
                  int64_t count, int in_flight);

/** What the disk takes: `size` bytes written and synced, one at a time, at most so many a second. The seconds of
 * each into `seconds`. */
void bench_sync_floor(size_t size, double per_second, double *seconds, int count);

#endif
