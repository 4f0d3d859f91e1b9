#ifndef WEIR_BROKER_CONTROLLER_CONTROLLER_H
#define WEIR_BROKER_CONTROLLER_CONTROLLER_H

#include "broker/broker.h"
#include "broker/engine/fold.h"
#include "broker/metadata/metadata_image.h"
#include "broker/controller/assign_step.h"
#include "broker/controller/offline_partitions.h"
#include "broker/controller/producer_id_block.h"
#include "broker/controller/removal_step.h"
#include "broker/controller/retention_sweep.h"
#include "broker/controller/topic_plan.h"
#include "broker/engine/metadata_owner.h"
#include "broker/engine/snapshotter.h"

struct weir_controller;

/**
 * The controller owns the metadata. It lives on shard 0, whose partition `__cluster_metadata-0` is.
 *
 * A change is built against the image (which may refuse it), appended as one batch, flushed, and
 * only then folded into the image, shown to all shards as a new version and answered; one change at a
 * time, the others wait in line. So no version shows what a crash could take back, and whoever has been
 * answered finds the change on every shard (metadata_view.h).
 *
 *     queue ──build──> records ──append, flush──> durable ──apply──> image ──version──> shards ──> done
 */
struct weir_metadata_change {
    struct weir_metadata_change *next;
    /** Add records with weir_controller_add. WEIR_END: there is nothing to write, go on to `done`.
     * WEIR_CHANGE_WAITS: it has been put in line elsewhere, and is submitted again later. */
    int (*build)(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error);
    /** Applied and durable, or refused or failed with `rc`. The change is its maker's again. */
    void (*done)(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                 const struct weir_error *error);
};
enum { WEIR_CHANGE_WAITS = 2 };

/**
 * A deleted topic whose partitions are being closed and whose folders are going away. Its name is
 * taken until then: changes that want it wait here.
 */
struct weir_topic_removal {
    struct weir_work work; /* first */
    struct weir_topic_removal *next;
    struct weir_controller *controller;
    char name[WEIR_TOPIC_NAME_SIZE_MAX + 1];
    struct weir_uuid id;
    int32_t partition_count;
    struct weir_removal_state state;
    struct weir_metadata_change *waiting;
    void (*waits)(struct weir_topic_removal *removal); /* once, when it takes long; or NULL */
    void (*then)(struct weir_topic_removal *removal);  /* all is gone */
    int rc;
    struct weir_error error;
};

/** Partitions whose folders have been made, for the metadata to say so (assign.c). */
struct weir_assign_queue {
    struct weir_metadata_change change; /* first */
    struct weir_assign *first;          /* in line */
    struct weir_assign *last;
    struct weir_assign *current; /* in the change that is being written */
    struct weir_assign_state state;
};

enum { WEIR_CONTROLLER_MAGIC = 0x6374726c }; /* "ctrl" */

struct weir_controller {
    uint32_t magic; /* first */
    struct weir_engine *engine;
    struct weir_metadata_machine metadata;
    struct weir_metadata_version *version; /* memory for the next one; NULL: none is under way */
    struct weir_fold fold;
    struct weir_partition *partition; /* __cluster_metadata-0 */
    struct weir_snapshotter snapshotter;
    struct weir_metadata_change *first; /* in line */
    struct weir_metadata_change *last;
    struct weir_metadata_change *current;
    struct weir_batch_builder builder;
    struct weir_buffer record;
    struct weir_produce_request produce; /* of `current` */
    bool needs_retry;                    /* durable, and memory was out when it was applied */
    bool removal_waits;                  /* for memory, or for a shortage to pass */
    struct weir_producer_id_block producer_ids;
    struct weir_topic_removal *removals;
    struct weir_retention_sweep sweep;
    struct weir_assign_queue assigns;
    struct weir_offline_partitions offline;
};

/** Its invariants, those that cost nothing to look at; at each of its turns. On shard 0. */
void weir_controller_check(const struct weir_controller *controller);
/** Open the metadata log, restore the image, raise the epochs after an unclean stop; before the
 * actors run. Blocks. */
int weir_controller_open(struct weir_controller *controller, struct weir_engine *engine,
                         struct weir_error *error);
/** A last snapshot, when the actors are gone. Blocks. */
int weir_controller_snapshot(struct weir_controller *controller, struct weir_error *error);
void weir_controller_close(struct weir_controller *controller);

/** The controller that owns this engine's metadata. Any thread. */
struct weir_controller *weir_controller_of(const struct weir_engine *engine);

/* owner.c, auto_create.c, epoch_raise.c, assign.c: what the engine asks, on a partition's own shard */
extern const struct weir_metadata_owner_ops weir_controller_owner_ops;
/** As weir_metadata_owner_ops says it. */
void weir_controller_ask_create(struct weir_controller *controller, struct weir_auto_create *asked);
void weir_controller_ask_assign(struct weir_controller *controller, struct weir_assign *assign);
int weir_controller_ask_epoch(struct weir_controller *controller, struct weir_partition *partition,
                              weir_epoch_raised_fn raised);

/* The rest: on shard 0's thread. */

void weir_controller_submit(struct weir_controller *controller,
                            struct weir_metadata_change *change);
/** A step of its line: apply what had to wait for memory, go on with the next change. */
int weir_controller_run(struct weir_controller *controller);
/** Add one record to the change that is being built. WEIR_NO_MEMORY. */
int weir_controller_add(struct weir_controller *controller,
                        const struct weir_metadata_record *record);
/** Submit those in line whose time has come; lowers `wake_at` to when it will have. */
void weir_controller_assign_run(struct weir_controller *controller, struct weir_mono now,
                                struct weir_mono *wake_at);

/* The doors: any thread, as broker.h says it. */
void weir_controller_topic(struct weir_controller *controller, struct weir_topic_request *request);
void weir_controller_group_config(struct weir_controller *controller,
                                  struct weir_group_config_request *request);
void weir_controller_list_topics(struct weir_controller *controller,
                                 struct weir_list_topics_request *request);
void weir_controller_init_producer(struct weir_controller *controller,
                                   struct weir_init_producer_request *request);

/* topic_admin.c */
/** Plan a topic (topic_plan.h), with a new id. WEIR_CHANGE_WAITS as weir_topic_removal_admit. */
int weir_controller_build_topic(struct weir_controller *controller, struct weir_topic_plan *plan,
                                struct weir_error *error);
/** The topic that somebody writes to: `__consumer_offsets` as it has to be, any other by the defaults. WEIR_END
 * if it is there. */
int weir_controller_build_written(struct weir_controller *controller, struct weir_slice name,
                                  struct weir_error *error);

/* topic_notice.c */
/** Tell every shard about a topic's partitions; `then` runs on shard 0 when all are through. */
struct weir_topic_notice_order {
    struct weir_slice topic;
    int32_t partition_count;
    bool closes; /* else `config` is their new one */
    struct weir_topic_config config;
    void (*then)(void *context);
    void *context;
};
int weir_topic_notice_send(struct weir_controller *controller,
                           const struct weir_topic_notice_order *order);

/* topic_removal.c */
/** Close the partitions, remove the folders, then `then`. Name, id, count and `then` are filled in;
 * the memory is lent until `then`. */
void weir_topic_removal_begin(struct weir_controller *controller,
                              struct weir_topic_removal *removal);
/** Try again what had to wait; true if something still has to. */
bool weir_topic_removal_retry(struct weir_controller *controller);
/** May the current change make a topic of this name? 0; WEIR_CHANGE_WAITS while one is being removed: the
 * change waits there until that is through; the code of a shortage that the removal waits for, to be tried
 * again. */
int weir_topic_removal_admit(struct weir_controller *controller, struct weir_slice name,
                             struct weir_error *error);
/** Finish what a crash interrupted: before the actors run. Blocks. */
int weir_topic_removal_mend(struct weir_controller *controller, struct weir_error *error);

#endif
