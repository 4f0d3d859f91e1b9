#include "tests/sim/remote.h"

#include <stdlib.h>

#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

enum {
    NAP_NS = 500 * 1000 * 1000, /* between two looks at whether to go on sleeping */
    AWAY_NS = 3 * 1000 * 1000,  /* before it connects again, at most */
};

static struct simulation *world(const struct remote *remote)
{
    return remote->served->simulation;
}

static int64_t now_ns(const struct remote *remote)
{
    return weir_sim_now_ns(world(remote)->sim);
}

int64_t remote_draw(struct remote *remote, int64_t bound)
{
    return (int64_t)weir_test_random_below(&remote->random, (uint64_t)bound);
}

bool remote_chance(struct remote *remote, int per_mille)
{
    return remote_draw(remote, 1000) < per_mille;
}

int16_t remote_draw_version(struct remote *remote, const struct weir_message_type *type,
                            int16_t least)
{
    int16_t min = type->version_min > least ? type->version_min : least;
    return (int16_t)(min + remote_draw(remote, type->version_max - min + 1));
}

bool remote_is_calm(const struct remote *remote, const struct remote_ask *ask)
{
    return ask->asked_ns > remote->served->calm_since_ns;
}

/* ---- errors ----------------------------------------------------------------------------------- */

bool remote_excuses(struct remote *remote, const struct remote_ask *ask, int16_t error,
                    const char *what)
{
    struct simulation *simulation = world(remote);
    bool is_trouble = error == WEIR_WIRE_KAFKA_STORAGE_ERROR ||
                      error == WEIR_WIRE_NOT_LEADER_OR_FOLLOWER ||
                      error == WEIR_WIRE_REQUEST_TIMED_OUT;
    if (is_trouble && !remote_is_calm(remote, ask)) {
        bool is_broken = error == WEIR_WIRE_KAFKA_STORAGE_ERROR && !simulation->is_full;
        if (is_broken && !simulation->is_calm) simulation->needs_restart = true;
        return true;
    }
    return simulation_fail(simulation, "wrong-answer", "node %d: %s is answered with %s%s",
                           remote->node, what, weir_wire_error_name(error),
                           is_trouble ? ", and no fault is left" : "");
}

/* ---- the connection --------------------------------------------------------------------------- */

static void go_away(struct remote *remote)
{
    bool had_any = remote->state != REMOTE_AWAY;
    weir_remote_close(remote->connection);
    remote->connection = NULL;
    remote->state = REMOTE_AWAY;
    remote->asks_under_way = 0;
    remote->act_at_ns = now_ns(remote) + 1 + remote_draw(remote, AWAY_NS);
    if (had_any && remote->ops->lost != NULL) remote->ops->lost(remote);
}

void remote_hang_up(struct remote *remote)
{
    go_away(remote);
}

static void answered(struct weir_remote_call *call, int rc, const void *response)
{
    struct remote_ask *ask = (struct remote_ask *)call;
    struct remote *remote = ask->remote;
    if (rc < 0) return; /* the loss of the connection comes next */
    remote->asks_under_way--;
    remote->heard_ns = now_ns(remote);
    ask->answered(ask, response);
}

void remote_send(struct remote *remote, struct remote_ask *ask,
                 const struct weir_message_type *request_type,
                 const struct weir_message_type *response_type, int16_t version,
                 const void *request)
{
    struct weir_error error;
    ask->call = (struct weir_remote_call){
        .request_type = request_type,
        .response_type = response_type,
        .version = version,
        .request = request,
        .done = answered,
    };
    ask->remote = remote;
    ask->asked_ns = now_ns(remote);
    ask->began = history_now(&world(remote)->history);
    if (remote->asks_under_way++ == 0) remote->heard_ns = ask->asked_ns;
    int rc = weir_remote_call(remote->connection, &ask->call, &error);
    if (rc == 0) return;
    simulation_fail(world(remote), "cannot-ask", "node %d: %s", remote->node, error.text);
}

static void note_loss(struct remote *remote, int rc, const struct weir_error *error)
{
    struct simulation *simulation = world(remote);
    if (rc == WEIR_CORRUPT || rc == WEIR_TOO_LARGE) {
        simulation_fail(simulation, "wrong-answer", "node %d: %s", remote->node, error->text);
    } else if (remote->began_ns > remote->served->calm_since_ns) {
        simulation_fail(simulation, "connection-lost-without-fault",
                        "node %d: no fault is left: %s", remote->node, error->text);
    }
}

/* ---- what the topic is like ------------------------------------------------------------------- */

static void be_ready(struct remote *remote)
{
    remote->state = REMOTE_READY;
    if (remote->ops->ready != NULL) remote->ops->ready(remote);
}

static bool is_as_it_should_be(struct remote *remote,
                               const struct weir_wire_metadata_response *response)
{
    const struct weir_wire_metadata_response_metadata_response_broker *broker = response->brokers;
    bool has_address = response->brokers_count == 1 && broker->port == 9092 &&
                       weir_slice_equal(broker->host, weir_text("node-0"));
    if (!has_address) {
        return simulation_fail(world(remote), "wrong-answer",
                               "node %d: metadata does not lead to " SERVED_ADDRESS, remote->node);
    }
    return true;
}

static void looked(struct remote_ask *ask, const void *answer)
{
    struct remote *remote = ask->remote;
    const struct weir_wire_metadata_response *response = answer;
    if (!is_as_it_should_be(remote, response)) return;
    bool has_topic = response->topics_count == 1 &&
                     weir_slice_equal(response->topics->name, weir_text(remote->topic->name));
    if (!has_topic) {
        simulation_fail(world(remote), "wrong-answer", "node %d: metadata without its topic",
                        remote->node);
        return;
    }
    if (response->topics->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(remote, ask, response->topics->error_code, "Metadata");
        remote->state = REMOTE_LOOKING; /* again, in a moment */
        return;
    }
    if ((int32_t)response->topics->partitions_count != remote->topic->partition_count) {
        simulation_fail(world(remote), "topic-lost", "topic '%s' has %zu partitions, not %d",
                        remote->topic->name, response->topics->partitions_count,
                        (int)remote->topic->partition_count);
        return;
    }
    remote->topic_id = response->topics->topic_id;
    be_ready(remote);
}

static void look(struct remote *remote)
{
    struct weir_wire_metadata_request_metadata_request_topic topic = {
        .name = weir_text(remote->topic->name)};
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    remote->look.answered = looked;
    remote_send(remote, &remote->look, &weir_wire_metadata_request_type,
                &weir_wire_metadata_response_type, -1, &request);
}

/* ---- turns ------------------------------------------------------------------------------------ */

static void changed(void *context, int rc, const struct weir_error *error)
{
    struct remote *remote = context;
    if (rc < 0) {
        note_loss(remote, rc, error);
        go_away(remote);
        return;
    }
    remote->state = REMOTE_LOOKING;
    if (remote->topic == NULL) be_ready(remote);
}

static void connect(struct remote *remote)
{
    struct weir_error error;
    struct weir_remote_options options = {
        .actor = remote->actor,
        .budget = remote->env->budget,
        .address = SERVED_ADDRESS,
        .client_id = remote_chance(remote, 800) ? "sim" : NULL,
        .changed = changed,
        .context = remote,
    };
    remote->state = REMOTE_CONNECTING;
    remote->began_ns = now_ns(remote);
    remote->heard_ns = now_ns(remote);
    int rc = weir_remote_open(&options, &remote->connection, &error);
    if (rc < 0) simulation_fail(world(remote), "cannot-connect", "%s", error.text);
}

static int64_t patience_ends_ns(const struct remote *remote)
{
    bool waits = remote->state == REMOTE_CONNECTING || remote->asks_under_way > 0;
    if (remote->state == REMOTE_AWAY || !waits) return INT64_MAX;
    bool is_calm = remote->served->calm_since_ns != INT64_MAX;
    return remote->heard_ns + remote->patience_ns * (is_calm ? REMOTE_CALM_PATIENCE : 1);
}

static void act(struct remote *remote)
{
    if (remote->ops->turn != NULL) {
        remote->ops->turn(remote);
        remote->act_at_ns = now_ns(remote) + 1 + remote_draw(remote, remote->pace_ns);
        return;
    }
    switch (remote->state) {
    case REMOTE_AWAY:
        connect(remote);
        break;
    case REMOTE_CONNECTING:
        break;
    case REMOTE_LOOKING:
        if (remote->asks_under_way == 0) look(remote);
        break;
    case REMOTE_READY:
        remote->ops->act(remote);
        break;
    }
    if (remote->state != REMOTE_AWAY) {
        remote->act_at_ns = now_ns(remote) + 1 + remote_draw(remote, remote->pace_ns);
    }
}

static int run_once(void *impl)
{
    struct remote *remote = impl;
    if (remote->is_closed || simulation_has_failed(world(remote))) return 0;
    if (now_ns(remote) < remote->served->asleep_until_ns) {
        weir_actor_wake_at(remote->actor, (struct weir_mono){now_ns(remote) + NAP_NS});
        return 0;
    }
    if (now_ns(remote) >= patience_ends_ns(remote)) {
        go_away(remote);
    } else if (now_ns(remote) >= remote->act_at_ns) {
        act(remote);
    }
    int64_t next_ns = patience_ends_ns(remote);
    if (remote->act_at_ns < next_ns) next_ns = remote->act_at_ns;
    weir_actor_wake_at(remote->actor, (struct weir_mono){next_ns});
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void do_nothing(struct client *client)
{
    (void)client; /* it has an actor of its own, and sees for itself that the server is gone */
}

void remote_start(struct remote *remote, struct served *served, const struct remote_ops *ops)
{
    struct simulation *simulation = served->simulation;
    struct weir_error error;
    remote->served = served;
    remote->ops = ops;
    remote->random.state = (uint64_t)simulation_draw(simulation, INT64_MAX);
    remote->node = ++served->node_count;
    remote->pace_ns = 1000 * (50 + remote_draw(remote, 3000));
    remote->patience_ns = 1000 * (30000 + remote_draw(remote, 300000));
    remote->env = weir_sim_node(simulation->sim, remote->node);
    remote->memory_before = atomic_load(&remote->env->budget->used);
    remote->client.act = do_nothing;
    remote->client.forget = do_nothing;
    struct weir_actor_options options = {.name = "client", .run_once = run_once, .impl = remote};
    int rc = weir_actor_start(remote->env, &options, &remote->actor, &error);
    if (rc < 0) abort();
    simulation_add(simulation, &remote->client);
}

void remote_stop(struct remote *remote)
{
    if (remote->is_closed) return;
    remote->is_closed = true;
    if (remote->ops->stop != NULL) remote->ops->stop(remote);
    weir_remote_close(remote->connection);
    remote->connection = NULL;
    weir_actor_stop(remote->actor);
    size_t used = atomic_load(&remote->env->budget->used);
    if (used == remote->memory_before) return;
    simulation_fail(world(remote), "memory-kept",
                    "node %d: its client is closed and keeps %zu bytes", remote->node,
                    used - remote->memory_before);
}
