/**
 * Asking the coordinator of a group.
 *
 *   group ──FindCoordinator──> an address ──> the session of the place, if that is there already,
 *                                        └──> else one of its own, kept for the questions to come
 *
 * The one that was found last is kept with its group. Where a question is answered that it has moved, it is looked
 * for again. An address that cannot be reached from here may be one that only the cluster's own network knows (a
 * container, a tunnel): then the server that was named is asked, and what it says decides.
 */
#include "cli/place_remote.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/no_memory.h"
#include "wire/error_codes.h"
#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"

/* A coordinator that loads, or whose topic is being made, is ready in a moment. */
enum { COORDINATOR_WAIT_MS = 100, COORDINATOR_WAITS_MAX = 150, COORDINATOR_CONNECT_MS = 5000 };

enum { ADDRESS_SIZE = 300 };

struct remote_coordinator {
    struct remote_coordinator *next;
    struct weir_remote_session *session;
    char address[ADDRESS_SIZE];
};

void remote_coordinators_close(struct remote *remote)
{
    while (remote->coordinators != NULL) {
        struct remote_coordinator *coordinator = remote->coordinators;
        remote->coordinators = coordinator->next;
        weir_remote_session_close(coordinator->session);
        weir_free(coordinator);
    }
    weir_free(remote->coordinated);
    remote->coordinated = NULL;
    remote->coordinator = NULL;
}

/* ---- asking patiently ------------------------------------------------------------------------ */

static bool passes(int16_t number)
{
    return number == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS ||
           number == WEIR_WIRE_COORDINATOR_NOT_AVAILABLE || number == WEIR_WIRE_NOT_COORDINATOR;
}

int remote_ask_patiently(struct remote *remote, const struct remote_group_question *question,
                         const void **response_out, int16_t *number_out, struct weir_error *error)
{
    for (int waits = 0;; waits++) {
        int rc = remote_ask(remote, &question->asked, response_out, error);
        if (rc < 0) return rc;
        *number_out = question->number_of(*response_out);
        if (!passes(*number_out) || waits == COORDINATOR_WAITS_MAX) return 0;
        (void)poll(NULL, 0, COORDINATOR_WAIT_MS);
    }
}

int remote_ask_accepted(struct remote *remote, const struct remote_group_question *question,
                        const void **response_out, struct weir_error *error)
{
    int16_t number = 0;
    int rc = remote_ask_patiently(remote, question, response_out, &number, error);
    return rc < 0 ? rc : remote_refusal(number, weir_null(), error);
}

/* ---- finding it ------------------------------------------------------------------------------ */

static struct weir_wire_find_coordinator_response_coordinator
first_found(const struct weir_wire_find_coordinator_response *found)
{
    if (found->coordinators_count > 0) return found->coordinators[0];
    return (struct weir_wire_find_coordinator_response_coordinator){
        .node_id = found->node_id,
        .host = found->host,
        .port = found->port,
        .error_code = found->error_code,
        .error_message = found->error_message,
    };
}

static int16_t find_number(const void *response)
{
    return first_found(response).error_code;
}

/* Kafka makes the topic of the groups when somebody looks for a coordinator. */
static int ask_where(struct remote *remote, const char *group, char address[ADDRESS_SIZE],
                     struct weir_error *error)
{
    enum { KEYS_FROM = 4, GROUPS = 0 };
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
    if (rc < 0) return rc;
    struct weir_wire_find_coordinator_response_coordinator found = first_found(answer);
    rc = remote_refusal(number, found.error_message, error);
    if (rc < 0) return rc;
    bool is_v6 = found.host.size > 0 && memchr(found.host.data, ':', found.host.size) != NULL;
    int size = snprintf(address, ADDRESS_SIZE, is_v6 ? "[%.*s]:%d" : "%.*s:%d",
                        (int)found.host.size, (const char *)found.host.data, (int)found.port);
    return found.host.size > 0 && size < ADDRESS_SIZE ? 0 : remote_no_answer(error);
}

/* ---- its session ----------------------------------------------------------------------------- */

static bool is_ours(const struct remote *remote, const char *address)
{
    return strcmp(address, weir_remote_session_address(remote->session)) == 0 ||
           strcmp(address, remote->address) == 0;
}

static int connect_to(struct remote *remote, const char *address, struct weir_error *error)
{
    struct remote_coordinator *coordinator =
        weir_alloc_zero(weir_remote_session_budget(remote->session), sizeof *coordinator);
    if (coordinator == NULL) return cli_no_memory(error);
    struct weir_remote_session_options options = {.address = address,
                                                  .timeout_ms = COORDINATOR_CONNECT_MS};
    int rc = weir_remote_session_open(&options, &coordinator->session, error);
    if (rc < 0) {
        weir_free(coordinator);
        return rc;
    }
    (void)snprintf(coordinator->address, sizeof coordinator->address, "%s", address);
    coordinator->next = remote->coordinators;
    remote->coordinators = coordinator;
    remote->coordinator = coordinator->session;
    return 0;
}

/* A session that was lost serves nobody any more. */
static void drop_session(struct remote *remote, const struct weir_remote_session *session)
{
    struct remote_coordinator **at = &remote->coordinators;
    while (*at != NULL && (*at)->session != session) {
        at = &(*at)->next;
    }
    if (*at == NULL) return; /* the place's own: that is the place's to close */
    struct remote_coordinator *dropped = *at;
    *at = dropped->next;
    weir_remote_session_close(dropped->session);
    weir_free(dropped);
}

static void choose_session(struct remote *remote, const char *address)
{
    struct weir_error why = {0};
    remote->coordinator = NULL;
    if (is_ours(remote, address)) remote->coordinator = remote->session;
    for (struct remote_coordinator *i = remote->coordinators; i != NULL; i = i->next) {
        if (strcmp(i->address, address) == 0) remote->coordinator = i->session;
    }
    if (remote->coordinator != NULL || connect_to(remote, address, &why) == 0) return;
    remote->coordinator = remote->session;
    remote->coordinator_error = why;
}

/* The one of this group is in `remote->coordinator` then. */
static int find_coordinator(struct remote *remote, const char *group, struct weir_error *error)
{
    char address[ADDRESS_SIZE];
    if (remote->coordinated != NULL && strcmp(remote->coordinated, group) == 0) return 0;
    weir_free(remote->coordinated);
    remote->coordinated = NULL;
    int rc = ask_where(remote, group, address, error);
    if (rc < 0) return weir_error_wrap(error, rc, "find the coordinator of group '%s'", group);
    remote->coordinated =
        weir_alloc_text(weir_remote_session_budget(remote->session), group, strlen(group));
    if (remote->coordinated == NULL) return cli_no_memory(error);
    remote->coordinator_error = (struct weir_error){0};
    choose_session(remote, address);
    return 0;
}

static void forget_coordinator(struct remote *remote)
{
    weir_free(remote->coordinated);
    remote->coordinated = NULL;
}

int remote_coordinator_version(struct remote *remote, const char *group,
                               const struct weir_message_type *request, int16_t *version_out,
                               struct weir_error *error)
{
    int rc = find_coordinator(remote, group, error);
    if (rc < 0) return rc;
    *version_out = weir_remote_session_version(remote->coordinator, request);
    return 0;
}

/* ---- asking it ------------------------------------------------------------------------------- */

static int ask_once(struct remote *remote, const char *group,
                    const struct remote_group_question *question, const void **response_out,
                    struct weir_error *error)
{
    int rc = find_coordinator(remote, group, error);
    if (rc < 0) return rc;
    struct weir_remote_session *session = remote->coordinator;
    rc = remote_ask_at(remote, session, &question->asked, response_out, error);
    if (rc == WEIR_DISCONNECTED || rc == WEIR_TIMED_OUT) {
        forget_coordinator(remote);
        drop_session(remote, session);
    }
    return rc;
}

int remote_ask_group(struct remote *remote, const char *group,
                     const struct remote_group_question *question, const void **response_out,
                     int16_t *number_out, struct weir_error *error)
{
    for (int waits = 0;; waits++) {
        int rc = ask_once(remote, group, question, response_out, error);
        if (rc < 0) return rc;
        *number_out = question->number_of(*response_out);
        if (!passes(*number_out)) return 0;
        bool has_moved = *number_out == WEIR_WIRE_NOT_COORDINATOR;
        if (has_moved && remote->coordinator_error.code != 0) {
            weir_error_copy(error, &remote->coordinator_error);
            return weir_error_wrap(error, remote->coordinator_error.code,
                                   "the coordinator of group '%s'", group);
        }
        if (waits == COORDINATOR_WAITS_MAX) return 0;
        if (has_moved) forget_coordinator(remote);
        (void)poll(NULL, 0, COORDINATOR_WAIT_MS);
    }
}
