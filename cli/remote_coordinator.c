/** Asking the coordinator of a group. */
#include "cli/place_remote.h"

#include <poll.h>

#include "base/error.h"
#include "wire/error_codes.h"
#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"

/* A coordinator that loads, or whose topic is being made, is ready in a moment. */
enum { COORDINATOR_WAIT_MS = 100, COORDINATOR_WAITS_MAX = 150 };

int remote_ask_patiently(struct remote *remote, const struct remote_group_question *question,
                         const void **response_out, int16_t *number_out, struct weir_error *error)
{
    for (int waits = 0;; waits++) {
        int rc = remote_ask(remote, &question->asked, response_out, error);
        if (rc < 0) return rc;
        *number_out = question->number_of(*response_out);
        bool passes = *number_out == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS ||
                      *number_out == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE ||
                      *number_out == WEIR_WIRE_NOT_COORDINATOR;
        if (!passes || waits == COORDINATOR_WAITS_MAX) return 0;
        (void)poll(NULL, 0, COORDINATOR_WAIT_MS);
    }
}

static int16_t find_number(const void *response)
{
    const struct weir_wire_find_coordinator_response *found = response;
    return found->coordinators_count > 0 ? found->coordinators[0].error_code : found->error_code;
}

/* Kafka makes the topic of the groups when somebody looks for a coordinator. */
static int find_coordinator(struct remote *remote, const char *group, struct weir_error *error)
{
    enum { KEYS_FROM = 4, GROUPS = 0 };
    if (remote->has_coordinator) return 0;
    struct weir_slice key = weir_text(group);
    struct weir_wire_find_coordinator_request request;
    weir_wire_find_coordinator_request_init(&request);
    request.key_type = GROUPS;
    if (weir_remote_session_version(remote->session, &weir_wire_find_coordinator_request_type) >=
        KEYS_FROM) {
        request.coordinator_keys = &key;
        request.coordinator_keys_count = 1;
    } else {
        request.key = key;
    }
    struct remote_group_question question = {
        .asked = {.request_type = &weir_wire_find_coordinator_request_type,
                  .response_type = &weir_wire_find_coordinator_response_type,
                  .request = &request},
        .number_of = find_number,
    };
    const void *answer = NULL;
    int16_t number = 0;
    int rc = remote_ask_patiently(remote, &question, &answer, &number, error);
    if (rc == 0) rc = remote_refusal(number, weir_null(), error);
    remote->has_coordinator = rc == 0;
    return weir_error_wrap(error, rc, "find the coordinator of group '%s'", group);
}

int remote_ask_group(struct remote *remote, const char *group,
                     const struct remote_group_question *question, const void **response_out,
                     int16_t *number_out, struct weir_error *error)
{
    int rc = find_coordinator(remote, group, error);
    return rc < 0 ? rc : remote_ask_patiently(remote, question, response_out, number_out, error);
}
