#include "broker/coordinator/live_group.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/group_migration.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "wire/coordinator_record.h"
#include "wire/generated/consumer_group_metadata_key.h"
#include "wire/generated/group_metadata_key.h"

/* A batch of a live group's records on its way, and who is answered when it is durable. */
struct weir_live_write {
    struct weir_group_write write; /* first */
    struct weir_live_group *group;
    struct weir_group_answers durable;
};

static struct weir_env *env_of(const struct weir_offsets_partition *offsets)
{
    return offsets->partition->shard->env;
}

int64_t weir_live_now_ms(const struct weir_offsets_partition *offsets)
{
    return weir_mono_now(env_of(offsets)).ns / 1000000;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* As it came to the shard, behind what is there already. */
static void ask_again(struct weir_group_request *request)
{
    request->is_asked_again = false;
    request->request.message.handle = request->request.arrive;
    weir_actor_post(request->request.shard->actor, &request->request.message);
}

static void answer_each(struct weir_group_request *request)
{
    while (request != NULL) {
        struct weir_group_request *next = request->next;
        if (request->is_asked_again && request->request.rc == 0) {
            ask_again(request);
        } else {
            weir_request_reply(&request->request, request->request.rc);
        }
        request = next;
    }
}

static void refuse_each(struct weir_group_request *request, int rc, const char *text)
{
    while (request != NULL) {
        struct weir_group_request *next = request->next;
        weir_request_refuse(&request->request, rc, text);
        request = next;
    }
}

/* ---- deadlines ------------------------------------------------------------------------------- */

void weir_live_groups_wake(struct weir_offsets_partition *offsets)
{
    struct weir_mono at = weir_deadline_heap_first(&offsets->deadlines);
    if (offsets->expiry.due.ns < at.ns) at = offsets->expiry.due;
    weir_partition_wake_at(offsets->partition, offsets->is_loaded ? at : (struct weir_mono){0});
}

/* It has had a place in the heap since it was made, so that this needs no memory. */
static void set_deadline(struct weir_live_group *group, int64_t at_ms)
{
    struct weir_deadline deadline = {
        .at = weir_mono_after_ms((struct weir_mono){0}, at_ms),
        .item = group,
        .index = &group->deadline_index,
    };
    weir_deadline_heap_remove(&group->offsets->deadlines, &group->deadline_index);
    int rc = weir_deadline_heap_add(&group->offsets->deadlines, deadline);
    weir_assert(rc == 0);
    weir_live_groups_wake(group->offsets);
}

/* ---- the core --------------------------------------------------------------------------------- */

static int core_init(struct weir_live_group *group, enum weir_group_type type,
                     struct weir_budget *budget)
{
    group->type = type;
    if (type == WEIR_GROUP_CONSUMER) {
        return weir_consumer_group_init(&group->consumer, budget, group->name);
    }
    weir_assert(type == WEIR_GROUP_CLASSIC);
    weir_classic_group_init(&group->classic, budget, group->name);
    return 0;
}

static void core_close(struct weir_live_group *group)
{
    if (group->type == WEIR_GROUP_CONSUMER) {
        weir_consumer_group_close(&group->consumer);
    } else {
        weir_classic_group_close(&group->classic);
    }
}

static int64_t core_wake_at(const struct weir_live_group *group)
{
    return group->type == WEIR_GROUP_CONSUMER ? group->consumer.wake_at_ms
                                              : weir_classic_group_wake_at(&group->classic);
}

const struct weir_group_settings *weir_live_group_settings(const struct weir_live_group *group,
                                                           struct weir_group_settings *own_out)
{
    const struct weir_offsets_partition *offsets = group->offsets;
    const struct weir_group_settings *settings = &offsets->coordinator->settings;
    struct weir_metadata_view *metadata = &offsets->partition->shard->metadata;
    const struct weir_group_image *image =
        weir_metadata_group(weir_metadata_view_look(metadata), group->name);
    if (image == NULL) return settings;
    *own_out = *settings;
    own_out->config =
        weir_group_config_with(&settings->config, &settings->config_bounds, &image->configs);
    return own_out;
}

bool weir_live_group_is_idle(const struct weir_live_group *group)
{
    return group->type == WEIR_GROUP_CONSUMER ? weir_consumer_group_is_empty(&group->consumer)
                                              : weir_classic_group_is_idle(&group->classic);
}

bool weir_live_group_has_members(const struct weir_live_group *group)
{
    return group->type == WEIR_GROUP_CLASSIC ? group->classic.state != WEIR_CLASSIC_EMPTY
                                             : !weir_consumer_group_is_empty(&group->consumer);
}

struct weir_slice weir_live_group_state_name(const struct weir_live_group *group)
{
    return group->type == WEIR_GROUP_CONSUMER
               ? weir_text(weir_consumer_group_state(&group->consumer))
               : weir_classic_group_state_name(&group->classic);
}

/* In a consumer group nobody waits. */
static struct weir_group_request *core_take_parked(struct weir_live_group *group)
{
    return group->type == WEIR_GROUP_CLASSIC ? weir_classic_group_take_parked(&group->classic)
                                             : NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void forget(struct weir_live_group *group)
{
    struct weir_offsets_partition *offsets = group->offsets;
    weir_assert(group->write_count == 0 && !group->is_busy);
    (void)weir_map_remove(&offsets->live, group->name);
    weir_deadline_heap_remove(&offsets->deadlines, &group->deadline_index);
    core_close(group);
    atomic_fetch_sub(&offsets->coordinator->live_count, 1);
    weir_free(group);
}

void weir_live_group_settle(struct weir_live_group *group)
{
    if (group->is_busy || group->write_count > 0) return;
    if (group->is_over || weir_live_group_is_idle(group)) forget(group);
}

static struct weir_live_group *new_group(struct weir_offsets_partition *offsets,
                                         struct weir_slice name, enum weir_group_type type)
{
    struct weir_budget *budget = &offsets->coordinator->budget;
    struct weir_live_group *group = weir_alloc_zero(budget, sizeof *group + name.size);
    if (group == NULL) return NULL;
    weir_copy(group + 1, name.data, name.size);
    group->offsets = offsets;
    group->name = weir_slice(group + 1, name.size);
    if (core_init(group, type, budget) < 0) {
        weir_free(group);
        return NULL;
    }
    struct weir_deadline deadline = {
        .at = WEIR_MONO_NEVER, .item = group, .index = &group->deadline_index};
    if (weir_deadline_heap_add(&offsets->deadlines, deadline) < 0 ||
        weir_map_add(&offsets->live, group->name, group) < 0) {
        weir_deadline_heap_remove(&offsets->deadlines, &group->deadline_index);
        core_close(group);
        weir_free(group);
        return NULL;
    }
    atomic_fetch_add(&offsets->coordinator->live_count, 1);
    return group;
}

/* What the image has of the group under this type of key, which names nothing but the group. */
static int value_of(struct weir_offsets_partition *offsets,
                    const struct weir_committed_group *committed,
                    const struct weir_message_type *key_type, const void *key,
                    struct weir_slice *value_out)
{
    weir_buffer_reset(&offsets->key);
    int rc = weir_coordinator_key_encode(key_type, key, &offsets->key);
    if (rc == 0) {
        *value_out = weir_committed_group_value(committed, weir_buffer_slice(&offsets->key));
    }
    return rc;
}

/* Of what type a group is says which of the two records it has; with neither it has only offsets. `classic_out`: the
 * value of the classic one. */
static int find_type(struct weir_offsets_partition *offsets,
                     const struct weir_committed_group *committed, enum weir_group_type *type_out,
                     struct weir_slice *classic_out)
{
    struct weir_consumer_group_metadata_key consumer_key = {.group_id = committed->name};
    struct weir_group_metadata_key classic_key = {.group = committed->name};
    struct weir_slice consumer = weir_null();
    int rc = value_of(offsets, committed, &weir_consumer_group_metadata_key_type, &consumer_key,
                      &consumer);
    if (rc == 0) {
        rc = value_of(offsets, committed, &weir_group_metadata_key_type, &classic_key, classic_out);
    }
    if (rc < 0) return rc;
    bool is_consumer = !weir_slice_is_null(consumer);
    bool is_classic = !weir_slice_is_null(*classic_out);
    *type_out = is_consumer  ? WEIR_GROUP_CONSUMER
                : is_classic ? WEIR_GROUP_CLASSIC
                             : WEIR_GROUP_UNKNOWN;
    return 0;
}

static int load_classic(struct weir_live_group *group, struct weir_slice bytes,
                        struct weir_error *error)
{
    struct weir_offsets_partition *offsets = group->offsets;
    struct weir_group_metadata_value value;
    if (weir_slice_is_null(bytes)) return 0;
    weir_arena_reset(&offsets->update_arena);
    int rc = weir_coordinator_value_decode(bytes, &weir_group_metadata_value_type, &value,
                                           &offsets->update_arena, error);
    if (rc < 0) return rc;
    return weir_classic_group_load(&group->classic, &value, weir_live_now_ms(offsets), error);
}

/* Records of a classic group may still be there of one that has been taken over. */
static int load_consumer(struct weir_live_group *group,
                         const struct weir_committed_group *committed, struct weir_error *error)
{
    const struct weir_offsets_partition *offsets = group->offsets;
    const struct weir_kept_record *record;
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && (record = weir_map_next(&committed->records, &at)) != NULL) {
        int16_t type;
        rc = weir_coordinator_key_type(record->key, &type, error);
        if (rc < 0 || !weir_consumer_group_has_record(type)) continue;
        rc = weir_consumer_group_apply(&group->consumer, record->key, record->value, error);
    }
    if (rc < 0) return rc;
    struct weir_group_settings own;
    return weir_consumer_group_loaded(&group->consumer, weir_live_now_ms(offsets),
                                      weir_live_group_settings(group, &own), error);
}

/* As the image has it. */
static int load(struct weir_offsets_partition *offsets,
                const struct weir_committed_group *committed, enum weir_group_type create,
                struct weir_live_group **group_out, struct weir_error *error)
{
    enum weir_group_type type;
    struct weir_slice classic = weir_null();
    int rc = find_type(offsets, committed, &type, &classic);
    if (rc < 0) return rc;
    if (type == WEIR_GROUP_UNKNOWN) type = create;
    if (type == WEIR_GROUP_UNKNOWN) type = WEIR_GROUP_CLASSIC;
    struct weir_live_group *group = new_group(offsets, committed->name, type);
    if (group == NULL) return WEIR_NO_MEMORY;
    rc = type == WEIR_GROUP_CONSUMER ? load_consumer(group, committed, error)
                                     : load_classic(group, classic, error);
    if (rc < 0) {
        forget(group);
        return rc;
    }
    set_deadline(group, core_wake_at(group));
    *group_out = group;
    return 0;
}

int weir_live_group_find(struct weir_offsets_partition *offsets, struct weir_slice name,
                         enum weir_group_type create, struct weir_live_group **group_out,
                         struct weir_error *error)
{
    int rc = weir_offsets_partition_catch_up(offsets, error);
    if (rc < 0) return rc;
    struct weir_live_group *group = weir_map_get(&offsets->live, name);
    const struct weir_committed_group *committed = weir_offsets_image_group(&offsets->image, name);
    if (group != NULL && group->is_over) return WEIR_END;
    if (group == NULL && committed != NULL) {
        weir_assert(!committed->is_application);
        rc = load(offsets, committed, create, &group, error);
        if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, WEIR_NO_MEMORY, "load a group");
    } else if (group == NULL && create != WEIR_GROUP_UNKNOWN) {
        group = new_group(offsets, name, create);
        if (group == NULL) rc = weir_error_set(error, WEIR_NO_MEMORY, "make a group");
    }
    if (rc < 0) {
        return weir_error_wrap(error, rc, "group '%.*s'", WEIR_GROUP_SHOWN(name));
    }
    *group_out = group;
    return 0;
}

void weir_live_group_drop(struct weir_live_group *group, int rc, const char *text)
{
    if (!group->is_over) {
        group->is_over = true;
        set_deadline(group, WEIR_GROUP_NEVER_MS);
        refuse_each(core_take_parked(group), rc, text);
    }
    weir_live_group_settle(group);
}

/* ---- what comes of a step -------------------------------------------------------------------- */

/* Applied already, and not on the disk: nobody may build on it. */
static void write_ended(struct weir_group_write *base, int rc, struct weir_error *error)
{
    struct weir_live_write *write = (struct weir_live_write *)base;
    struct weir_live_group *group = write->group;
    struct weir_group_request *durable = write->durable.first;
    weir_assert(group->write_count > 0);
    group->write_count--;
    if (group->last_write == write) group->last_write = NULL;
    bool is_durable = base->is_durable;
    weir_free(write);
    if (is_durable) {
        answer_each(durable);
        weir_live_group_settle(group);
    } else {
        refuse_each(durable, rc, error->text);
        weir_live_group_drop(group, rc, error->text);
    }
}

/* The records of the update as one batch on its way. After an error nothing is. */
static int write_records(struct weir_live_group *group, struct weir_group_update *update)
{
    struct weir_offsets_partition *offsets = group->offsets;
    int64_t wall_ms = weir_wall_now(env_of(offsets)).ms;
    int rc = 0;
    weir_group_write_begin(offsets);
    for (size_t i = 0; rc == 0 && i < update->record_count; i++) {
        const struct weir_group_record *record = &update->records[i];
        rc = weir_group_write_add(offsets, record->key, record->value, wall_ms);
    }
    struct weir_live_write *write =
        rc == 0 ? weir_alloc_zero(&offsets->coordinator->budget, sizeof *write) : NULL;
    if (write == NULL) return rc < 0 ? rc : WEIR_NO_MEMORY;
    write->group = group;
    write->durable = update->durable;
    write->write.group = group->name;
    write->write.ended = write_ended;
    group->write_count++;
    group->last_write = write;
    rc = weir_group_write_submit(offsets, &write->write);
    if (rc < 0) {
        group->write_count--;
        group->last_write = NULL;
        weir_free(write);
    }
    return rc;
}

static void append_answers(struct weir_group_answers *answers,
                           const struct weir_group_answers *more)
{
    if (more->first == NULL) return;
    if (answers->last != NULL) {
        answers->last->next = more->first;
    } else {
        answers->first = more->first;
    }
    answers->last = more->last;
}

/* An answer without a record of its own may stand on one that is still on its way. */
static void answer_durable(struct weir_live_group *group, struct weir_group_update *update)
{
    if (group->last_write != NULL) {
        append_answers(&group->last_write->durable, &update->durable);
    } else {
        answer_each(update->durable.first);
    }
}

enum { SILENT_LINES_MAX = 20 }; /* a second, of one partition */

static bool may_say_silent(struct weir_offsets_partition *offsets)
{
    int64_t second = weir_live_now_ms(offsets) / 1000;
    if (second != offsets->silent_second) {
        offsets->silent_second = second;
        offsets->silent_lines = 0;
    }
    return offsets->silent_lines++ < SILENT_LINES_MAX;
}

/* In one line, whatever comes at once; before anybody hears of what follows. */
static void log_silent(const struct weir_live_group *group, const struct weir_group_update *update)
{
    char names[1024] = "";
    char group_text[2 * WEIR_GROUP_SHOWN_MAX];
    char quoted[2][2 * sizeof names];
    size_t at = 0;
    if (update->silent_count == 0) return;
    if (!may_say_silent(group->offsets)) {
        group->offsets->silent_unsaid += (int64_t)update->silent_count;
        return;
    }
    for (const struct weir_silent_member *i = update->silent; i != NULL; i = i->next) {
        if (at + 2 * WEIR_GROUP_SHOWN_MAX + 16 > sizeof names) break;
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%.*s (%.*s) %s",
                               at > 0 ? ", " : "", WEIR_GROUP_SHOWN(i->client_id),
                               WEIR_GROUP_SHOWN(i->member_id), i->missed);
    }
    (void)snprintf(group_text, sizeof group_text, "%.*s", WEIR_GROUP_SHOWN(group->name));
    weir_log(&env_of(group->offsets)->logger, WEIR_LOG_WARN, "group.members_silent",
             "group=%s count=%zu missed=%s unsaid=%lld",
             weir_log_quote(quoted[0], sizeof quoted[0], group_text), update->silent_count,
             weir_log_quote(quoted[1], sizeof quoted[1], names),
             (long long)group->offsets->silent_unsaid);
    group->offsets->silent_unsaid = 0;
}

void weir_live_group_take(struct weir_live_group *group, struct weir_group_update *update, int rc)
{
    group->is_busy = true;
    bool has_records = rc == 0 && update->record_count > 0;
    if (has_records) rc = write_records(group, update);
    if (rc == 0) log_silent(group, update);
    answer_each(update->answered.first);
    if (rc < 0) {
        refuse_each(update->durable.first, rc, weir_code_text(rc));
        weir_live_group_drop(group, rc, weir_code_text(rc));
    } else if (!has_records) {
        answer_durable(group, update);
    }
    if (update->is_gone) group->is_over = true;
    if (group->is_over) update->wake_at_ms = WEIR_GROUP_NEVER_MS;
    set_deadline(group, update->wake_at_ms);
    group->is_busy = false;
    weir_live_group_settle(group);
}

void weir_live_group_begin(struct weir_live_group *group, struct weir_group_update *update)
{
    weir_assert(!group->is_over && !group->is_busy);
    weir_arena_reset(&group->offsets->update_arena);
    weir_group_update_init(update, &group->offsets->update_arena);
    update->wake_at_ms = core_wake_at(group); /* a step says it anew */
}

static bool has_key(const struct weir_group_update *update, size_t from, struct weir_slice key)
{
    for (size_t i = from; i < update->record_count; i++) {
        if (weir_slice_equal(update->records[i].key, key)) return true;
    }
    return false;
}

/* Records that the core does not look at, of another type of group or of another version, would keep the name. `from`:
 * where its own begin; of an empty group these are a few. */
static int write_other_tombstones(const struct weir_live_group *group, size_t from,
                                  struct weir_group_update *update)
{
    const struct weir_committed_group *committed =
        weir_offsets_image_group(&group->offsets->image, group->name);
    const struct weir_kept_record *kept;
    size_t count = update->record_count; /* with those that follow, which differ from one another */
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && committed != NULL &&
           (kept = weir_map_next(&committed->records, &at)) != NULL) {
        struct weir_group_update own = {.records = update->records, .record_count = count};
        if (!has_key(&own, from, kept->key)) rc = weir_group_update_drop(update, kept->key);
    }
    return rc;
}

int weir_live_group_write_tombstones(struct weir_live_group *group,
                                     struct weir_group_update *update, struct weir_error *error)
{
    size_t from = update->record_count;
    int rc = group->type == WEIR_GROUP_CONSUMER
                 ? weir_consumer_group_delete(&group->consumer, update, error)
                 : weir_classic_group_delete(
                       &group->classic, weir_wall_now(env_of(group->offsets)).ms, update, error);
    if (rc == 0) rc = write_other_tombstones(group, from, update);
    return rc;
}

int weir_live_group_write_successor(struct weir_live_group *group, struct weir_group_update *update)
{
    return group->type == WEIR_GROUP_CONSUMER
               ? weir_group_succeed_consumer(&group->consumer,
                                             weir_wall_now(env_of(group->offsets)).ms, update)
               : weir_group_succeed_classic(&group->classic, update);
}

/* ---- all of a partition ---------------------------------------------------------------------- */

/* A group that cannot be loaded now is when it is asked for; its members stay until then. */
static void load_one(struct weir_offsets_partition *offsets, struct weir_slice name)
{
    struct weir_live_group *group = NULL;
    struct weir_error error = {0};
    char text[2 * WEIR_ERROR_TEXT_SIZE];
    int rc = weir_live_group_find(offsets, name, WEIR_GROUP_UNKNOWN, &group, &error);
    if (rc < 0) {
        weir_log(&env_of(offsets)->logger, WEIR_LOG_WARN, "group.not_loaded", "reason=%s",
                 weir_log_quote(text, sizeof text, error.text));
    }
    if (rc == 0 && group != NULL) weir_live_group_settle(group);
}

void weir_live_groups_load(struct weir_offsets_partition *offsets, size_t count_max)
{
    const struct weir_map *groups = &offsets->image.groups;
    const struct weir_committed_group *group = NULL;
    if (offsets->is_loaded) return;
    for (size_t i = 0; i < count_max; i++) {
        group = weir_map_walk_next(groups, &offsets->load_walk);
        if (group == NULL) break;
        bool may_have_members = !group->is_application && weir_map_count(&group->records) > 0;
        if (may_have_members) load_one(offsets, group->name);
    }
    offsets->is_loaded = group == NULL;
}

void weir_live_groups_refuse(struct weir_offsets_partition *offsets, int rc, const char *text)
{
    size_t at = 0;
    struct weir_live_group *group;
    while ((group = weir_map_next(&offsets->live, &at)) != NULL) {
        weir_live_group_drop(group, rc, text);
    }
}
