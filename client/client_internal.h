#ifndef WEIR_CLIENT_CLIENT_INTERNAL_H
#define WEIR_CLIENT_CLIENT_INTERNAL_H

#include "client/client.h"

/** What the public calls share: checks of what a user handed in, and the request that is waited
 * for. */

enum { WEIR_LOG_MAGIC = 0x4c4f4721 };

/** WEIR_INVALID_ARGUMENT unless `log` is an open handle; `call` is the public function. */
int weir_log_check(const struct weir_log *log, const char *call, struct weir_error *error);

/** WEIR_INVALID_TOPIC for NULL and what the engine does not take as a topic's name. */
int weir_topic_text_check(const char *topic, struct weir_error *error);

/**
 * Before a request that is waited for is sent: weir_request_wait_begin, with a text that says which
 * call must not wait here, and what to do instead. `call` is the public function.
 */
int weir_log_wait_begin(struct weir_log *log, struct weir_request *request, const char *call,
                        struct weir_error *error);
/** The refusal itself, for calls that wait for more than one request. 0 where waiting is fine. */
int weir_log_may_wait(const struct weir_log *log, const char *call, struct weir_error *error);

/** Wait for so long on a thread that may. WEIR_CRASHED. */
int weir_log_pause(struct weir_log *log, int64_t ms);

/** What a producer or a consumer has to know of a topic. */
struct weir_topic_facts {
    struct weir_uuid id;
    int32_t partition_count;
    int64_t max_message_bytes;
    bool is_compacted;
};

/** Look a topic up; `or_create`: with automatic creation, if that is on. Waits. */
int weir_topic_look_up(struct weir_log *log, const char *topic, bool or_create, const char *call,
                       struct weir_topic_facts *facts_out, struct weir_error *error);

/** An offset of a partition, as `asked` says which. Waits. */
int weir_topic_list_offset(struct weir_log *log, const struct weir_list_offsets_request *asked,
                           const char *call, int64_t *offset_out, struct weir_error *error);

/** WEIR_UNKNOWN_TOPIC_OR_PARTITION unless 0 <= partition < count. */
int weir_partition_check(const char *topic, int32_t partition, int32_t partition_count,
                         struct weir_error *error);

#endif
