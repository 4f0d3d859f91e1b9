#include "client/membership.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { ID_SIZE = 37, OFFER_RETRY_MS = 100 };

/* What is wanted, in one piece of memory: the struct, the slices, the bytes. */
struct wish {
    struct weir_slice *topics;
    size_t topic_count;
    struct weir_slice pattern; /* empty: none */
};

struct weir_member {
    struct weir_log *log;
    struct weir_actor *actor;
    char *group;
    char *instance_id; /* NULL: none */
    char *assignor;    /* NULL: the group's */
    char id[ID_SIZE];
    int32_t rebalance_timeout_ms;
    /* the actor's */
    struct weir_membership membership;
    struct wish *wish;
    struct weir_consumer_heartbeat_request heartbeat;
    struct weir_arena asked; /* what a heartbeat says */
    struct weir_arena given; /* and what its answer does */
    struct weir_member_partition *assigned;
    size_t assigned_capacity;
    int refused_rc;  /* of the last heartbeat; 0: it was taken */
    bool owes_offer; /* the step has made one that was not handed over yet */
    struct weir_error error;
    /* between the two */
    struct weir_member_offer offer; /* the user's from the push to the done */
    struct weir_mailbox offers;
    _Atomic(struct wish *) next_wish; /* the user's last one, until the actor takes it */
    struct weir_message wish_message;
    struct weir_message leave_message;
    _Atomic bool is_wish_posted;
    _Atomic bool has_left;
    _Atomic bool is_done_seen;
    _Atomic int32_t epoch;
    _Atomic int64_t polled_ms;
};

static int64_t now_ms(const struct weir_member *member)
{
    return weir_mono_now(member->log->env).ns / 1000000;
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void take(struct weir_member *member, struct weir_membership_event event);

/* Rows of one topic lie side by side, for they are in order. */
static int say_owned(struct weir_member *member, struct weir_consumer_heartbeat_request *request)
{
    const struct weir_member_partitions *owned = &member->membership.owned;
    struct weir_topic_partitions *topics =
        weir_arena_array(&member->asked, owned->count + 1, sizeof *topics);
    int32_t *numbers = weir_arena_array(&member->asked, owned->count + 1, sizeof *numbers);
    size_t count = 0;
    if (topics == NULL || numbers == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < owned->count; i++) {
        const struct weir_member_partition *row = &owned->rows[i];
        bool is_new = i == 0 || memcmp(&row->topic_id, &owned->rows[i - 1].topic_id,
                                       sizeof row->topic_id) != 0;
        numbers[i] = row->partition;
        if (is_new) {
            topics[count++] = (struct weir_topic_partitions){.topic_id = row->topic_id,
                                                             .partitions = &numbers[i]};
        }
        topics[count - 1].partition_count++;
    }
    request->owned = topics;
    request->owned_count = count;
    request->has_owned = true;
    return 0;
}

static void say_subscription(const struct wish *wish,
                             struct weir_consumer_heartbeat_request *request)
{
    request->topic_names = wish->topics;
    request->topic_name_count = wish->topic_count;
    request->has_topic_names = true;
    request->topic_regex = wish->pattern;
}

/* Once, however often it is asked again for the same reason. What passes by itself is no warning, unless it is somebody
 * else of the same name: that may take a session's time, and may be a mistake. */
static void log_refusal(struct weir_member *member, const struct weir_request *request)
{
    bool passes = weir_code_action(request->rc) == WEIR_ACTION_RETRY &&
                  request->rc != WEIR_UNRELEASED_INSTANCE_ID;
    bool is_said = request->rc == member->refused_rc;
    member->refused_rc = request->rc < 0 ? request->rc : 0;
    if (request->rc >= 0 || is_said || member->membership.phase == WEIR_MEMBER_LEAVING) return;
    weir_log(&member->log->env->logger, passes ? WEIR_LOG_INFO : WEIR_LOG_WARN,
             "consumer.heartbeat_refused", "group=%s member=%s phase=%s code=%s reason=\"%s\"",
             member->group, member->id, weir_membership_phase_name(member->membership.phase),
             weir_code_name(request->rc), request->error.text);
}

/* All that is assigned, in one array. */
static int read_assigned(struct weir_member *member, struct weir_membership_event *event)
{
    const struct weir_consumer_heartbeat_request *heartbeat = &member->heartbeat;
    size_t total = 0;
    for (size_t t = 0; t < heartbeat->assigned_count; t++) {
        total += heartbeat->assigned[t].partition_count;
    }
    struct weir_member_partition *rows = weir_arena_array(&member->given, total + 1, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    event->assigned = rows;
    for (size_t t = 0; t < heartbeat->assigned_count; t++) {
        const struct weir_topic_partitions *topic = &heartbeat->assigned[t];
        for (size_t i = 0; i < topic->partition_count; i++) {
            rows[event->assigned_count++] = (struct weir_member_partition){
                .topic_id = topic->topic_id, .partition = topic->partitions[i]};
        }
    }
    return 0;
}

static void take_answer(struct weir_member *member)
{
    const struct weir_consumer_heartbeat_request *heartbeat = &member->heartbeat;
    struct weir_membership_event event = {
        .type = WEIR_MEMBERSHIP_ANSWERED,
        .rc = heartbeat->base.request.rc,
        .epoch = heartbeat->member_epoch_out,
        .interval_ms = heartbeat->heartbeat_interval_ms,
        .has_assignment = heartbeat->has_assignment,
    };
    log_refusal(member, &heartbeat->base.request);
    member->error = heartbeat->base.request.error;
    if (event.rc == 0 && event.has_assignment) event.rc = read_assigned(member, &event);
    take(member, event);
}

static void on_answered(struct weir_request *request)
{
    take_answer(request->context);
}

static void send_heartbeat(struct weir_member *member, const struct weir_membership_update *update)
{
    struct weir_consumer_heartbeat_request *request = &member->heartbeat;
    weir_arena_reset(&member->asked);
    weir_arena_reset(&member->given);
    *request = (struct weir_consumer_heartbeat_request){
        .base = {.request = {.reply_to = member->actor, .done = on_answered, .context = member},
                 .group = weir_text(member->group),
                 .arena = &member->given},
        .member = {.member_id = weir_text(member->id),
                   .instance_id = weir_text(member->instance_id)},
        .member_epoch = update->epoch,
        .client_id = weir_text("weir"),
        .client_host = weir_text("embedded"),
        .rebalance_timeout_ms = update->with_rest ? member->rebalance_timeout_ms : -1,
    };
    if (update->with_rest) request->assignor = weir_text(member->assignor);
    if (update->with_subscription) say_subscription(member->wish, request);
    if (update->with_owned && say_owned(member, request) < 0) {
        request->base.request.rc = weir_error_set(&request->base.request.error, WEIR_NO_MEMORY,
                                                  "heartbeat: out of memory");
        take_answer(member);
        return;
    }
    weir_log_consumer_heartbeat(member->log, request);
}

/* ---- offers ---------------------------------------------------------------------------------- */

/* A copy goes to the user. Without memory for it, it goes a little later. */
static bool hand_over(struct weir_member *member)
{
    const struct weir_member_partitions *offered = &member->membership.offered;
    struct weir_member_offer *offer = &member->offer;
    offer->rows = weir_alloc(&member->log->budget, offered->count * sizeof *offer->rows + 1);
    if (offer->rows == NULL) return false;
    if (offered->count > 0) {
        memcpy(offer->rows, offered->rows, offered->count * sizeof *offer->rows);
    }
    offer->count = offered->count;
    offer->what = member->membership.offer;
    offer->rc = member->membership.rc;
    offer->error = member->error;
    (void)weir_mailbox_push(&member->offers, &offer->message);
    weir_signal(member->log->env);
    return true;
}

static void act(struct weir_member *member, const struct weir_membership_update *update)
{
    if (update->offer != WEIR_OFFER_NONE) member->owes_offer = true;
    if (member->membership.offer == WEIR_OFFER_NONE) member->owes_offer = false; /* it leaves */
    if (member->owes_offer && hand_over(member)) member->owes_offer = false;
    int64_t wake_ms = update->wake_at_ms;
    if (member->owes_offer) wake_ms = now_ms(member) + OFFER_RETRY_MS;
    /* Of a time that the clock never comes to: never. */
    weir_actor_wake_at(member->actor, weir_mono_after_ms((struct weir_mono){0}, wake_ms));
    if (update->sends) send_heartbeat(member, update);
    if (update->has_left) {
        atomic_store(&member->has_left, true);
        weir_signal(member->log->env);
    }
}

static void take(struct weir_member *member, struct weir_membership_event event)
{
    struct weir_membership_update update;
    event.now_ms = now_ms(member);
    event.polled_ms = atomic_load_explicit(&member->polled_ms, memory_order_relaxed);
    weir_membership_step(&member->membership, &event, &update);
    atomic_store(&member->epoch, member->membership.epoch);
    weir_signal(member->log->env);
    act(member, &update);
}

/* ---- what the user says ---------------------------------------------------------------------- */

static void on_wish(struct weir_message *message)
{
    struct weir_member *member =
        (struct weir_member *)((char *)message - offsetof(struct weir_member, wish_message));
    atomic_store(&member->is_wish_posted, false);
    struct wish *wish = atomic_exchange(&member->next_wish, NULL);
    if (wish == NULL) return; /* taken with the message before */
    weir_free(member->wish);
    member->wish = wish;
    take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_SUBSCRIBED});
}

static void on_leave(struct weir_message *message)
{
    struct weir_member *member =
        (struct weir_member *)((char *)message - offsetof(struct weir_member, leave_message));
    take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_LEAVE});
}

static void on_done(struct weir_message *message)
{
    struct weir_member *member = ((struct weir_member_offer *)message)->member;
    weir_free(member->offer.rows);
    member->offer.rows = NULL;
    take(member, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_DONE});
    atomic_store(&member->is_done_seen, true);
    weir_signal(member->log->env);
}

static int run_once(void *impl)
{
    take(impl, (struct weir_membership_event){.type = WEIR_MEMBERSHIP_TICK});
    return 0;
}

/* ---- the user's side ------------------------------------------------------------------------- */

static struct wish *copy_wish(struct weir_budget *budget, const struct weir_member_wish *from)
{
    size_t size = from->pattern != NULL ? strlen(from->pattern) : 0;
    for (size_t i = 0; i < from->topic_count; i++) {
        size += strlen(from->topics[i]);
    }
    struct wish *wish =
        weir_alloc(budget, sizeof *wish + from->topic_count * sizeof *wish->topics + size + 1);
    if (wish == NULL) return NULL;
    wish->topics = (struct weir_slice *)(wish + 1);
    wish->topic_count = from->topic_count;
    uint8_t *at = (uint8_t *)(wish->topics + from->topic_count);
    for (size_t i = 0; i < from->topic_count; i++) {
        size_t length = strlen(from->topics[i]);
        memcpy(at, from->topics[i], length);
        wish->topics[i] = weir_slice(at, length);
        at += length;
    }
    size_t length = from->pattern != NULL ? strlen(from->pattern) : 0;
    if (length > 0) memcpy(at, from->pattern, length);
    wish->pattern = weir_slice(at, length);
    return wish;
}

int weir_member_subscribe(struct weir_member *member, const struct weir_member_wish *from,
                          struct weir_error *error)
{
    struct wish *wish = copy_wish(&member->log->budget, from);
    if (wish == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "subscribe: out of memory");
    weir_member_polled(member); /* its time begins now */
    weir_free(atomic_exchange(&member->next_wish, wish));
    if (!atomic_exchange(&member->is_wish_posted, true)) {
        weir_actor_post(member->actor, &member->wish_message);
    }
    return 0;
}

void weir_member_polled(struct weir_member *member)
{
    atomic_store_explicit(&member->polled_ms, now_ms(member), memory_order_relaxed);
}

bool weir_member_has_offer(void *of_member)
{
    struct weir_member *member = of_member;
    return atomic_load_explicit(&member->offers.head, memory_order_acquire) != NULL;
}

struct weir_member_offer *weir_member_take_offer(struct weir_member *member)
{
    if (!weir_member_has_offer(member)) return NULL;
    struct weir_message *message = weir_mailbox_take(&member->offers);
    weir_assert(message == &member->offer.message && message->next == NULL);
    return &member->offer;
}

static bool is_done_seen(void *of_member)
{
    return atomic_load(&((struct weir_member *)of_member)->is_done_seen);
}

int weir_member_done(struct weir_member_offer *offer)
{
    struct weir_member *member = offer->member;
    atomic_store(&member->is_done_seen, false);
    offer->message.handle = on_done;
    weir_actor_post(member->actor, &offer->message);
    return weir_wait(member->log->env, is_done_seen, member, WEIR_MONO_NEVER);
}

struct weir_slice weir_member_id(const struct weir_member *member)
{
    return weir_text(member->id);
}

int32_t weir_member_epoch(const struct weir_member *member)
{
    return atomic_load(&member->epoch);
}

/* ---- open and close -------------------------------------------------------------------------- */

static void free_member(struct weir_member *member)
{
    weir_free(member->offer.rows);
    weir_free(atomic_load(&member->next_wish));
    weir_free(member->wish);
    weir_membership_close(&member->membership);
    weir_arena_close(&member->asked);
    weir_arena_close(&member->given);
    weir_free(member->group);
    weir_free(member->instance_id);
    weir_free(member->assignor);
    weir_free(member);
}

/* A random id, as KIP-848 has clients make it. */
static void make_id(struct weir_env *env, char id[ID_SIZE])
{
    uint8_t bytes[16];
    size_t at = 0;
    weir_random(env, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bool has_dash = i == 4 || i == 6 || i == 8 || i == 10;
        at += (size_t)snprintf(id + at, ID_SIZE - at, has_dash ? "-%02x" : "%02x", bytes[i]);
    }
}

static bool copy_text(struct weir_budget *budget, const char *text, char **copy_out)
{
    if (text == NULL) return true;
    *copy_out = weir_alloc_text(budget, text, strlen(text));
    return *copy_out != NULL;
}

static struct weir_member *make_member(const struct weir_member_options *options)
{
    struct weir_budget *budget = &options->log->budget;
    struct weir_member *member = weir_alloc_zero(budget, sizeof *member);
    if (member == NULL) return NULL;
    member->log = options->log;
    member->offer.member = member;
    member->wish_message.handle = on_wish;
    member->leave_message.handle = on_leave;
    member->rebalance_timeout_ms = options->max_poll_interval_ms < INT32_MAX
                                       ? (int32_t)options->max_poll_interval_ms
                                       : INT32_MAX;
    weir_arena_init(&member->asked, budget, 1024);
    weir_arena_init(&member->given, budget, 1024);
    make_id(options->log->env, member->id);
    bool is_whole = copy_text(budget, options->group, &member->group) &&
                    copy_text(budget, options->instance_id, &member->instance_id) &&
                    copy_text(budget, options->assignor, &member->assignor);
    member->membership = (struct weir_membership){
        .group = member->group,
        .budget = budget,
        .is_static = options->instance_id != NULL,
        .max_poll_interval_ms = options->max_poll_interval_ms,
    };
    weir_membership_init(&member->membership);
    weir_member_polled(member);
    if (is_whole) return member;
    free_member(member);
    return NULL;
}

int weir_member_open(const struct weir_member_options *options, struct weir_member **member_out,
                     struct weir_error *error)
{
    struct weir_member *member = make_member(options);
    if (member == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "subscribe: out of memory");
    const struct weir_actor_options actor = {
        .name = "weir-member", .run_once = run_once, .impl = member};
    int rc = weir_actor_start(options->log->env, &actor, &member->actor, error);
    if (rc < 0) {
        free_member(member);
        return weir_error_wrap(error, rc, "subscribe");
    }
    *member_out = member;
    return 0;
}

static bool has_left(void *of_member)
{
    return atomic_load(&((struct weir_member *)of_member)->has_left);
}

int weir_member_close(struct weir_member *member, struct weir_error *error)
{
    weir_actor_post(member->actor, &member->leave_message);
    int rc = weir_wait(member->log->env, has_left, member, WEIR_MONO_NEVER);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "leave the group");
    weir_actor_stop(member->actor);
    free_member(member);
    return 0;
}
