#include <string.h>

#include "base/assert.h"
#include "base/env/sim/sim.h"
#include "broker/log/partition_log.h"
#include "broker/log/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Any bytes as the only segment of a log that has no durable mark: opening keeps what is whole,
 * cuts the rest, and from then on the log is a log. Opening again finds the same.
 */
static void put(struct weir_env *env, const char *path, const uint8_t *data, size_t size)
{
    struct weir_file *file = NULL;
    struct weir_iovec part = {data, size};
    weir_assert(weir_make_directory(env, "/p-0", NULL) == 0);
    weir_assert(weir_file_open(env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL) == 0);
    weir_assert(weir_file_write(file, &part, 1, 0, NULL) == 0);
    weir_file_close(file);
}

static int64_t read_to_the_end(struct weir_partition_log *log)
{
    int64_t offset = weir_partition_log_state(log).start_offset;
    for (;;) {
        struct weir_log_read read = {.offset = offset, .offset_max = INT64_MAX, .size_max = 4096};
        int rc = weir_log_read_begin(log, &read);
        if (rc == WEIR_END) {
            weir_log_read_run(&read);
            rc = weir_log_read_end(&read);
        }
        weir_assert(rc == 0);
        if (read.batches.part_count == 0) return offset;
        for (size_t i = 0; i < read.batches.part_count; i++) {
            const struct weir_log_part *part = &read.batches.parts[i];
            for (size_t at = 0; at < part->size;) {
                struct weir_batch_header header;
                struct weir_slice rest =
                    weir_slice(part->bytes->data + part->from + at, part->size - at);
                weir_assert(weir_batch_peek(rest, INT32_MAX, &header, NULL) == 0);
                weir_assert(header.base_offset == offset);
                weir_assert(weir_batch_check_crc(weir_slice(rest.data, weir_batch_size(&header)),
                                                 NULL) == 0);
                offset = weir_batch_last_offset(&header) + 1;
                at += weir_batch_size(&header);
            }
        }
        weir_log_read_release(&read);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_partition_log_options options = {
        .env = env,
        .budget = env->budget,
        .path = "/p-0",
        .config = weir_topic_config_default(),
    };
    put(env, "/p-0/00000000000000000000.log", data, size);
    int64_t end = -1;
    for (int i = 0; i < 2; i++) {
        struct weir_partition_log *log = NULL;
        struct weir_log_recovery recovery;
        struct weir_verify_summary summary;
        weir_assert(weir_partition_log_open(&options, &log, &recovery, NULL) == 0);
        weir_assert(recovery.offline_from == -1);
        weir_partition_log_check(log);
        weir_assert(end == -1 || end == weir_partition_log_state(log).end_offset);
        end = weir_partition_log_state(log).end_offset;
        weir_assert(read_to_the_end(log) == end);
        weir_assert(weir_partition_log_close(log, NULL) == 0);
        weir_assert(weir_partition_log_verify(env, "/p-0", NULL, NULL, &summary, NULL) == 0);
        weir_assert(summary.damage_count == 0 && summary.tail_count == 0);
        weir_assert(summary.end_offset == end);
    }
    weir_sim_free(sim);
    return 0;
}
