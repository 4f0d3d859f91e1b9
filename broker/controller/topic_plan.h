#ifndef WEIR_BROKER_CONTROLLER_TOPIC_PLAN_H
#define WEIR_BROKER_CONTROLLER_TOPIC_PLAN_H

#include "broker/broker.h"
#include "broker/metadata/metadata_image.h"

/**
 * What a request makes of the topics: the records that are to be written, or why none are. It reads no clock
 * and does no I/O: the metadata as it stands, the settings and the request go in, records come out, one by one.
 * After an error those that came are to be thrown away; the controller writes the rest (controller.h).
 *
 *     image, options, plan ──> check ──> add(record) … ──> what will be
 *
 * Errors of all: what the request does wrong (WEIR_INVALID_TOPIC, WEIR_EXISTS, WEIR_INVALID_PARTITIONS,
 * WEIR_INVALID_CONFIG), and what `add` returns.
 */
struct weir_metadata_draft {
    const struct weir_metadata_image *image;
    const struct weir_broker_options *options;
    int (*add)(void *context, const struct weir_metadata_record *record);
    void *context;
};

struct weir_topic_plan {
    struct weir_slice name;
    struct weir_uuid id;
    int32_t partition_count; /* -1: the default; given: how many there will be */
    const struct weir_config_entry *configs;
    size_t config_count;
    bool is_internal;
    struct weir_topic_config config; /* given */
};
/** A new topic. */
int weir_topic_plan_create(const struct weir_metadata_draft *draft, struct weir_topic_plan *plan,
                           struct weir_error *error);
/** More partitions: `partition_count` is the new total. */
int weir_topic_plan_grow(const struct weir_metadata_draft *draft,
                         const struct weir_topic_image *topic, int32_t partition_count,
                         struct weir_error *error);

/** What is to become of a topic's settings (topic_config_plan.c). */
struct weir_config_plan {
    struct weir_slice topic;
    const struct weir_topic_image *old; /* NULL: a new topic */
    const struct weir_config_entry *entries;
    size_t entry_count;
    bool is_kept;                    /* retention.ms is -1 if `entries` does not name it */
    bool replaces_all;               /* what `entries` does not name goes back to its default */
    bool keeps_own;                  /* entries that `old` has of its own are passed over */
    struct weir_topic_config config; /* given: defaults and overrides together, afterwards */
};
int weir_config_plan_build(const struct weir_metadata_draft *draft, struct weir_config_plan *plan,
                           struct weir_error *error);

#endif
