#ifndef WEIR_CLI_PLACE_REMOTE_H
#define WEIR_CLI_PLACE_REMOTE_H

#include "cli/place_groups.h"
#include "wire/peer/remote_session.h"

/**
 * A server, over Kafka's protocol: place_remote.c has the session and the records, remote_topics.c the
 * administration of topics, remote_groups.c and remote_offsets.c consumer groups, remote_coordinator.c whom these ask.
 *
 * For records and topics one server only: what Metadata says about leaders elsewhere is not followed. A group is asked
 * at its coordinator, wherever that is.
 */
struct remote_coordinator;

struct remote {
    struct place place;
    struct weir_remote_session *session;
    struct weir_arena answer; /* of the call under way */
    char *what;
    const char *address; /* as it was named: within `what` */
    /* remote_coordinator.c's */
    struct remote_coordinator *coordinators; /* servers beside ours that groups were asked at */
    char *coordinated;                       /* the group that was asked about last; NULL: none */
    struct weir_remote_session *coordinator; /* of that: ours, or one of those */
    struct weir_error coordinator_error;     /* why ours is asked in its place; code 0: it is not */
};

static inline struct remote *remote_of(struct place *place)
{
    return (struct remote *)place;
}

/** Ask and wait; the answer lies in `remote->answer` until the next call. */
struct remote_question {
    const struct weir_message_type *request_type;
    const struct weir_message_type *response_type; /* NULL: no answer comes */
    const void *request;
    int16_t version_max; /* 0: the highest both have */
};
int remote_ask(struct remote *remote, const struct remote_question *question,
               const void **response_out, struct weir_error *error);
/** The same at another server. */
int remote_ask_at(struct remote *remote, struct weir_remote_session *session,
                  const struct remote_question *question, const void **response_out,
                  struct weir_error *error);

/**
 * One of Kafka's numbers as our error: 0 for 0. `message` is what the server says about it, null if it
 * says nothing.
 */
int remote_refusal(int16_t number, struct weir_slice message, struct weir_error *error);
/** WEIR_CORRUPT: the answer lacks what was asked for. */
int remote_no_answer(struct weir_error *error);

/* remote_topics.c */
int remote_list(struct place *place, struct weir_arena *arena, struct place_topics *topics_out,
                struct weir_error *error);
int remote_describe(struct place *place, struct weir_arena *arena, const char *name,
                    bool with_details, struct place_topic *topic_out, struct weir_error *error);
/** The partitions of a topic that are offline, as its metadata says; of one that is not there none. */
int remote_offline_partitions(struct place *place, struct weir_arena *arena, const char *topic,
                              const int32_t **partitions_out, size_t *count_out,
                              struct weir_error *error);
int remote_create(struct place *place, const struct place_new_topic *topic,
                  struct weir_error *error);
int remote_configs(struct place *place, struct weir_arena *arena, struct place_topic *topic,
                   struct weir_error *error);
int remote_configure(struct place *place, const char *topic, const struct weir_config *configs,
                     size_t config_count, struct weir_error *error);
int remote_add_partitions(struct place *place, const char *topic, int32_t total,
                          struct weir_error *error);
int remote_remove(struct place *place, const char *topic, struct weir_error *error);

/* remote_coordinator.c */

struct remote_group_question {
    struct remote_question asked;
    int16_t (*number_of)(const void *response); /* what it says as a whole */
};
/** Ask again while the coordinator loads, or its topic is being made; `number_out`, what the answer says as a whole in
 * the end, is for the caller to look at. */
int remote_ask_patiently(struct remote *remote, const struct remote_group_question *question,
                         const void **response_out, int16_t *number_out, struct weir_error *error);
/** The same, and what the answer says as a whole is the error where it is one. */
int remote_ask_accepted(struct remote *remote, const struct remote_group_question *question,
                        const void **response_out, struct weir_error *error);
/** As remote_ask_patiently, of a group at its coordinator, which is looked for first. */
int remote_ask_group(struct remote *remote, const char *group,
                     const struct remote_group_question *question, const void **response_out,
                     int16_t *number_out, struct weir_error *error);
/** The highest version of a request that its coordinator and we have; -1 if there is none. */
int remote_coordinator_version(struct remote *remote, const char *group,
                               const struct weir_message_type *request, int16_t *version_out,
                               struct weir_error *error);
void remote_coordinators_close(struct remote *remote);

/* remote_offsets.c */
int remote_group_offsets(struct place *place, struct weir_arena *arena, const char *name,
                         struct place_offsets *offsets_out, struct weir_error *error);
int remote_group_commit(struct place *place, const struct place_membership *as,
                        const struct place_offsets *offsets, struct weir_error *error);
int remote_group_remove_offsets(struct place *place, const char *name,
                                const struct place_partitions *of, struct weir_error *error);

/* remote_groups.c */
extern const struct place_group_ops remote_group_ops;

#endif
