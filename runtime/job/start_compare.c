#include "runtime/job/start_compare.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/uuid.h"

/* The comparison. What its findings mean stands in start_decide.c. */

void weir_start_topic_check(const struct weir_start_topic *topic)
{
    const bool is_tracked = topic->role != WEIR_START_OTHER;
    const bool is_internal =
        topic->role == WEIR_START_REPARTITION || topic->role == WEIR_START_CHANGELOG;
    weir_assert(topic->name != NULL || !is_tracked);
    weir_assert(!is_tracked || !topic->exists || topic->partition_count == 0 ||
                topic->partitions != NULL);
    weir_assert(topic->record == NULL || topic->record->phase != WEIR_OWN_TOPIC_NONE);
    weir_assert(topic->chosen == NULL || topic->role == WEIR_START_INPUT);
    weir_assert(!topic->is_emptied || is_internal);
}

int weir_start_differs(struct weir_start_differences *found,
                       struct weir_start_difference difference)
{
    enum { FIRST_CAPACITY = 8 };
    weir_assert(difference.what != WEIR_START_NOTHING && difference.topic_name != NULL);
    struct weir_start_difference *items = weir_arena_grow(
        found->arena, found->items, found->count, &found->capacity, FIRST_CAPACITY, sizeof *items);
    if (items == NULL) return WEIR_NO_MEMORY;
    found->items = items;
    found->items[found->count++] = difference;
    return 0;
}

static int add_of(struct weir_start_differences *found, struct weir_start_topic *topic,
                  enum weir_start_what what, int32_t partition, int64_t a, int64_t b)
{
    return weir_start_differs(found, (struct weir_start_difference){.what = what,
                                                                    .topic = topic,
                                                                    .topic_name = topic->name,
                                                                    .of = topic->of,
                                                                    .partition = partition,
                                                                    .a = a,
                                                                    .b = b,
                                                                    .other = topic->owner});
}

static enum weir_own_topic_phase phase_of(const struct weir_start_topic *topic)
{
    return topic->record != NULL ? topic->record->phase : WEIR_OWN_TOPIC_NONE;
}

static bool is_empty(const struct weir_start_topic *topic)
{
    for (int32_t p = 0; p < topic->partition_count; p++) {
        if (topic->partitions[p].log_end > 0) return false;
    }
    return true;
}

static bool is_named_by_commit(const struct weir_start_topic *topic)
{
    for (int32_t p = 0; p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        if (partition->has_entry && !partition->is_foreign_entry) return true;
    }
    return false;
}

/* ---- the application as a whole -------------------------------------------------------------- */

static int compare_application(const struct weir_start_facts *facts,
                               struct weir_start_differences *found)
{
    struct weir_start_difference difference = {.topic_name = facts->application_id, .of = ""};
    if (facts->is_reset_begun) {
        difference.what = WEIR_START_RESET_BEGUN;
        return weir_start_differs(found, difference);
    }
    /* Also where the application has given its group back, and somebody went on from there. */
    if (!facts->has_commit && facts->foreign_entries > 0) {
        difference.what = WEIR_START_COMMIT_FOREIGN;
        difference.a = (int64_t)facts->foreign_entries;
        return weir_start_differs(found, difference);
    }
    if (!facts->has_commit && facts->records->has_committed) {
        difference.what = WEIR_START_COMMIT_GONE;
        return weir_start_differs(found, difference);
    }
    if (facts->has_commit && facts->is_records_cut) {
        difference.what = WEIR_START_RECORDS_GONE;
        return weir_start_differs(found, difference);
    }
    return 0;
}

/* ---- internal topics ------------------------------------------------------------------------- */

/* As names of stores end that a program has not named itself: "-0000000003". */
static bool is_numbered(const char *store)
{
    enum { DIGITS = 10 };
    const size_t size = strlen(store);
    return size > DIGITS && store[size - DIGITS - 1] == '-' &&
           strspn(store + size - DIGITS, "0123456789") == DIGITS;
}

/* The topology names a store that the application has not kept, and its inputs are further than
 * their beginning: it would miss what has been processed. */
static int compare_new(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                       struct weir_start_differences *found)
{
    if (topic->role != WEIR_START_CHANGELOG || !topic->has_progress) return 0;
    for (size_t i = 0; i < facts->left_count; i++) {
        const struct weir_own_topic *left = facts->left[i].record;
        if (left->role != WEIR_OWN_CHANGELOG) continue;
        const bool is_hinted = is_numbered(topic->of) || is_numbered(left->of);
        return weir_start_differs(
            found,
            (struct weir_start_difference){
                .what = WEIR_START_RENAMED_STORE,
                .topic = topic,
                .topic_name = topic->name,
                .of = topic->of,
                .other = left->of,
                .field = is_hinted ? ": stores without a name of their own are numbered, and "
                                     "an edit moves the numbers; give them names"
                                   : "",
            });
    }
    return add_of(found, topic, WEIR_START_NEW_STORE, 0, 0, 0);
}

static int compare_absent(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                          struct weir_start_differences *found)
{
    weir_assert(!topic->exists);
    switch (phase_of(topic)) {
    case WEIR_OWN_TOPIC_EMPTYING:
        return 0;
    case WEIR_OWN_TOPIC_KEPT:
        return add_of(found, topic, WEIR_START_GONE, 0, 0, 0);
    case WEIR_OWN_TOPIC_NONE:
    case WEIR_OWN_TOPIC_MAKING:
    case WEIR_OWN_TOPIC_MADE: /* nothing has been written to it yet */
        break;
    }
    if (topic->entry_count > 0) return add_of(found, topic, WEIR_START_GONE, 0, 0, 0);
    return compare_new(facts, topic, found);
}

/* It is there, and nothing of ours names its id. Where our records are gone, one that has nothing in it may be of a
 * start of ours that was killed while it made state anew: nothing else has said so, and nothing is lost with it. */
static int compare_strange(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                           struct weir_start_differences *found)
{
    enum weir_own_topic_phase phase = phase_of(topic);
    weir_assert(topic->exists && !weir_start_is_ours(topic));
    if (topic->owner != NULL) return add_of(found, topic, WEIR_START_OWNED, 0, 0, 0);
    if (facts->is_records_cut && is_empty(topic) && phase == WEIR_OWN_TOPIC_NONE) {
        return add_of(found, topic, WEIR_START_MADE_ANEW, 0, 0, 0);
    }
    if (!is_empty(topic) || phase == WEIR_OWN_TOPIC_NONE) {
        return add_of(found, topic, WEIR_START_NOT_OURS, 0, 0, 0);
    }
    /* Made by us, and killed before its id was written down; as the inputs were then, if not by somebody else. */
    if (phase == WEIR_OWN_TOPIC_MAKING && topic->partition_count != topic->wanted_count) {
        return add_of(found, topic, WEIR_START_PARTITIONS, 0, topic->partition_count,
                      topic->wanted_count);
    }
    if (phase == WEIR_OWN_TOPIC_MAKING || phase == WEIR_OWN_TOPIC_EMPTYING) return 0;
    return add_of(found, topic, WEIR_START_REPLACED, 0, 0, 0);
}

int64_t weir_start_lost_end(const struct weir_start_partition *partition)
{
    if (partition->lost.to <= partition->committed_end) return partition->lost.to;
    /* What was given up behind the commit is cut. Where there was more before it, nobody says how far. */
    bool is_behind = partition->lost.from >= partition->committed_end;
    return is_behind && partition->lost_count == 1 ? 0 : partition->committed_end;
}

/* What is wrong with one partition of an internal topic that is ours. */
static enum weir_start_what partition_differs(const struct weir_start_facts *facts,
                                              const struct weir_start_topic *topic,
                                              const struct weir_start_partition *partition,
                                              int64_t *a, int64_t *b)
{
    bool is_covered =
        phase_of(topic) == WEIR_OWN_TOPIC_KEPT || phase_of(topic) == WEIR_OWN_TOPIC_NONE;
    *a = partition->committed_end;
    *b = partition->log_end;
    if (partition->has_entry && partition->is_foreign_entry) return WEIR_START_ENTRY_FOREIGN;
    if (!partition->has_entry) {
        if (is_covered && facts->has_commit) return WEIR_START_NO_ENTRY;
        *a = 0;
        if (!is_covered && partition->log_end > 0) return WEIR_START_FOREIGN_TAIL;
        return WEIR_START_NOTHING;
    }
    if (partition->log_end < partition->committed_end) return WEIR_START_SHORTER;
    if (partition->epoch_end < partition->committed_end) {
        *b = partition->epoch_end;
        return WEIR_START_REWRITTEN;
    }
    if (partition->foreign_at >= 0) {
        *a = partition->foreign_at;
        return WEIR_START_FOREIGN_TAIL;
    }
    bool is_changelog = topic->role == WEIR_START_CHANGELOG;
    int64_t needed = is_changelog ? 0 : partition->committed;
    bool may_lose_head = is_changelog && !topic->keeps_for_ever;
    if (!may_lose_head && partition->log_start > needed) {
        *a = needed;
        *b = partition->log_start;
        return WEIR_START_HEAD_GONE;
    }
    *a = partition->lost.from;
    *b = weir_start_lost_end(partition);
    if (*b > (is_changelog ? partition->log_start : needed)) {
        return is_changelog ? WEIR_START_LOST : WEIR_START_LOST_BETWEEN;
    }
    return WEIR_START_NOTHING;
}

/* Which partition differs, and in what; of those that have lost records, which state on the disk may make up for, the
 * first, and the others are looked at still. One difference beside that is enough to know what becomes of the
 * topic: 1, else 0. */
static int compare_partitions(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                              struct weir_start_differences *found)
{
    bool has_lost = false;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        int64_t a = 0;
        int64_t b = 0;
        enum weir_start_what what = partition_differs(facts, topic, &topic->partitions[p], &a, &b);
        bool is_lost = what == WEIR_START_LOST;
        if (what == WEIR_START_NOTHING || (is_lost && has_lost)) continue;
        int rc = add_of(found, topic, what, p, a, b);
        if (rc < 0 || !is_lost) return rc < 0 ? rc : 1;
        has_lost = true;
    }
    return 0;
}

static int compare_ours(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                        struct weir_start_differences *found)
{
    weir_assert(weir_start_is_ours(topic));
    if (phase_of(topic) == WEIR_OWN_TOPIC_EMPTYING) return 0;
    if (topic->partition_count != topic->wanted_count) {
        return add_of(found, topic, WEIR_START_PARTITIONS, 0, topic->partition_count,
                      topic->wanted_count);
    }
    int rc = compare_partitions(facts, topic, found);
    if (rc != 0) return rc < 0 ? rc : 0;
    struct weir_start_difference difference;
    rc = weir_start_compare_formats(topic, found->arena, &difference);
    return rc > 0 ? weir_start_differs(found, difference) : rc;
}

bool weir_start_is_ours(const struct weir_start_topic *topic)
{
    const struct weir_own_topic *record = topic->record;
    if (!topic->exists) return false;
    bool is_recorded = record != NULL && record->phase != WEIR_OWN_TOPIC_MAKING &&
                       weir_uuid_equal(record->id, topic->id);
    return is_recorded || is_named_by_commit(topic);
}

static int compare_internal(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                            struct weir_start_differences *found)
{
    if (!topic->exists) return compare_absent(facts, topic, found);
    if (!weir_start_is_ours(topic)) return compare_strange(facts, topic, found);
    return compare_ours(facts, topic, found);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

int64_t weir_start_input_position(const struct weir_start_partition *partition)
{
    bool has_position = partition->has_entry && partition->committed >= 0;
    int64_t position = has_position ? partition->committed : partition->log_start;
    if (position > partition->epoch_end) position = partition->epoch_end;
    if (position > partition->log_end) position = partition->log_end;
    return position > partition->log_start ? position : partition->log_start;
}

/* Whatever may cut a log raises its leader epoch: an unclean stop, a cut. So where the epoch has not
 * risen since the commit and the end is lower, or where the epoch itself is lower, the log is not the
 * one that was read: an older copy of it was put back. */
static bool is_older_copy(const struct weir_start_partition *partition)
{
    if (partition->committed_epoch < 0) return false; /* it names none */
    if (partition->leader_epoch < partition->committed_epoch) return true;
    return partition->leader_epoch == partition->committed_epoch &&
           partition->log_end < partition->committed;
}

bool weir_start_is_other_log(const struct weir_start_partition *partition)
{
    if (!weir_read_batch_is_known(&partition->read)) return false;
    if (!weir_read_batch_is_known(&partition->found_there)) return false;
    return !weir_read_batch_equal(&partition->read, &partition->found_there);
}

static int add_older_copy(struct weir_start_differences *found, struct weir_start_topic *topic,
                          int32_t p)
{
    const struct weir_start_partition *partition = &topic->partitions[p];
    return weir_start_differs(
        found, (struct weir_start_difference){.what = topic->feeds_state
                                                          ? WEIR_START_INPUT_OLDER
                                                          : WEIR_START_INPUT_OLDER_STATELESS,
                                              .topic = topic,
                                              .topic_name = topic->name,
                                              .of = topic->of,
                                              .partition = p,
                                              .a = partition->committed,
                                              .b = partition->log_end,
                                              .a_epoch = partition->committed_epoch,
                                              .b_epoch = partition->leader_epoch});
}

/* The last batch that was read is beyond `end`, and was on the disk when it was read. Only who writes a topic cuts it
 * back nevertheless, an application its own. */
static bool is_durable_gone(const struct weir_start_topic *topic,
                            const struct weir_start_partition *partition, int64_t end)
{
    if (topic->may_be_cut || !weir_read_batch_is_known(&partition->read)) return false;
    return partition->read.is_durable && weir_read_batch_last(&partition->read) >= end;
}

/* Lost with the power where flush.policy is os, or gone by retention: the job goes on, and says
 * so. */
static int compare_position(struct weir_start_topic *topic, int32_t p,
                            struct weir_start_differences *found)
{
    const struct weir_start_partition *partition = &topic->partitions[p];
    weir_assert(partition->has_entry);
    int64_t end =
        partition->epoch_end < partition->log_end ? partition->epoch_end : partition->log_end;
    bool is_older = is_older_copy(partition);
    if (partition->is_offline && (is_older || end < partition->committed)) {
        /* Its end is no end: what lies behind may come back, and would be processed twice. */
        return add_of(found, topic, WEIR_START_INPUT_DAMAGED, p, partition->committed,
                      partition->offline_from);
    }
    if (is_older) return add_older_copy(found, topic, p);
    if (end < partition->committed) {
        bool is_cut = topic->feeds_state && is_durable_gone(topic, partition, end);
        return add_of(found, topic, is_cut ? WEIR_START_INPUT_CUT : WEIR_START_INPUT_TAIL_LOST, p,
                      end, partition->committed);
    }
    if (partition->log_start > partition->committed) {
        return add_of(found, topic, WEIR_START_INPUT_TRIMMED, p, partition->committed,
                      partition->log_start);
    }
    if (weir_start_is_other_log(partition)) {
        return add_of(found, topic, WEIR_START_INPUT_OTHER, p, partition->committed,
                      weir_read_batch_last(&partition->read));
    }
    return 0;
}

static int compare_input(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                         struct weir_start_differences *found)
{
    bool is_named = topic->entry_count > 0 || topic->is_other_named;
    if (!is_named || (!facts->has_commit && facts->foreign_entries == 0)) return 0;
    if (!topic->exists) return add_of(found, topic, WEIR_START_INPUT_GONE, 0, 0, 0);
    bool is_replaced = topic->entry_count == 0; /* all that is named is of another one */
    int rc = 0;
    for (int32_t p = 0; rc >= 0 && p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        if (partition->is_other_topic) is_replaced = true;
        if (!partition->has_entry) continue;
        if (facts->has_commit && partition->is_foreign_entry) {
            rc = add_of(found, topic, WEIR_START_ENTRY_FOREIGN, p, partition->committed, 0);
        } else {
            rc = compare_position(topic, p, found);
        }
    }
    if (rc < 0) return rc;
    if (is_replaced) {
        return add_of(found, topic,
                      topic->feeds_state ? WEIR_START_INPUT_REPLACED
                                         : WEIR_START_INPUT_REPLACED_STATELESS,
                      0, 0, 0);
    }
    int64_t before = topic->entry_count;
    if (topic->partition_count < before) {
        return add_of(found, topic, WEIR_START_INPUT_FEWER, 0, before, topic->partition_count);
    }
    if (topic->partition_count > before && topic->has_state) {
        return add_of(found, topic, WEIR_START_INPUT_MORE, 0, before, topic->partition_count);
    }
    return 0;
}

/* ---- what is not named any more -------------------------------------------------------------- */

static bool begins_with(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static bool ends_with(const char *name, const char *with)
{
    size_t size = strlen(name);
    size_t tail = strlen(with);
    return size >= tail && strcmp(name + size - tail, with) == 0;
}

/* Whether a store holds records that were read and are not given on yet: the buffer of a join with grace, that of an
 * outer join, a suppress. The records do not say so; its name does, which the library makes. A suppress with a name
 * has `NAME-store`, which may be a user's store too: one whose values are not known is taken for a suppress. */
static bool is_buffer(const struct weir_own_topic *record)
{
    const char *name = record->of;
    if (record->role != WEIR_OWN_CHANGELOG) return false;
    if (ends_with(name, "-Buffer") || begins_with(name, "KSTREAM-OUTERSHARED-")) return true;
    if (begins_with(name, "KTABLE-SUPPRESS-STATE-STORE-")) return true;
    if (!ends_with(name, "-store")) return false;
    return record->window_size_ms <= 0 && !weir_plan_format_is_known(record->formats.value);
}

static enum weir_start_what left_as(const struct weir_start_left *left)
{
    if (left->record->role != WEIR_OWN_CHANGELOG) return WEIR_START_REPARTITION_LEFT;
    return left->has_rows && is_buffer(left->record) ? WEIR_START_BUFFER_LEFT
                                                     : WEIR_START_STORE_LEFT;
}

static int compare_left(const struct weir_start_left *left, struct weir_start_differences *found)
{
    bool is_changelog = left->record->role == WEIR_OWN_CHANGELOG;
    weir_assert(left->record->phase == WEIR_OWN_TOPIC_KEPT);
    if (!is_changelog && left->unprocessed == 0) return 0;
    return weir_start_differs(found, (struct weir_start_difference){
                                         .what = left_as(left),
                                         .topic_name = left->record->name,
                                         .of = left->record->of,
                                         .a = left->unprocessed,
                                     });
}

int weir_start_compare(const struct weir_start_facts *facts, struct weir_start_differences *found)
{
    int rc = compare_application(facts, found);
    for (size_t t = 0; rc >= 0 && t < facts->topic_count; t++) {
        struct weir_start_topic *topic = &facts->topics[t];
        weir_start_topic_check(topic);
        if (topic->role == WEIR_START_INPUT) rc = compare_input(facts, topic, found);
        if (topic->role == WEIR_START_REPARTITION || topic->role == WEIR_START_CHANGELOG) {
            rc = compare_internal(facts, topic, found);
        }
    }
    for (size_t i = 0; rc >= 0 && i < facts->left_count; i++) {
        rc = compare_left(&facts->left[i], found);
    }
    return rc;
}
