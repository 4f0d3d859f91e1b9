#ifndef WEIR_TESTS_LOG_COMPACTED_H
#define WEIR_TESTS_LOG_COMPACTED_H

#include "tests/unit/broker/log/log_support.h"

/**
 * What a compaction leaves of a log, made by hand: whole batches are gone, batches keep their first and
 * last offset but not all their records, and some are empty, as Kafka's cleaner writes them
 * (MemoryRecords.filterTo). The active segment is never touched.
 */
enum test_keep {
    TEST_KEEP,
    TEST_THIN,  /* every other record goes, the first of all; without compression only */
    TEST_EMPTY, /* all of them go, the batch stays: its producer's last one */
    TEST_DROP,
};
typedef enum test_keep (*test_keep_fn)(void *context, const struct weir_batch_header *header);

/** One whole batch in place; its new size, 0 if nothing is left. */
size_t test_clean_batch(uint8_t *bytes, size_t size, enum test_keep keep);
/** Every sealed segment of the log in folder `path`, which nobody has open: the files, without their
 * indexes, and the mark. */
void test_compact_folder(struct weir_env *env, const char *path, test_keep_fn keep, void *context);
/** Close the log and compact it; the model follows, the log is not opened again. */
void test_log_compact(struct test_log *test, test_keep_fn keep, void *context);

#endif
