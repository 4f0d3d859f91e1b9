#include "base/assert.h"
#include "base/uuid.h"
#include "runtime/job/start_compare.h"

/**
 * Inputs that are read again. Whoever chooses to drop the state and read the inputs again gives up what was
 * counted for what will be, so it matters what the inputs lose from then on:
 *
 *   chosen ──> state dropped ──first commit──> read up to where the state had counted ──> forgotten
 *   └──────────── written down: where each partition began and ended, its epoch, what it lacked ─┘
 *
 * Of what is not read again yet, each record that goes is one which the dropped state had: a difference of
 * its own, which the choice that was made then does not cover. What is read again already, and what came
 * later, is as with any input. Before the first commit what the group has committed is of the dropped state,
 * and says nothing of how far the reading is.
 */

/* Of the version before these were written down: a rebuild needed inputs that had lost nothing. */
static const struct weir_own_input_partition not_known = {
    .from = 0, .end = INT64_MAX, .leader_epoch = -1};

static bool has_begun(const struct weir_start_facts *facts)
{
    return facts->has_commit && !facts->records->is_rebuilding;
}

/* Below it all is read again. */
static int64_t position_of(const struct weir_start_facts *facts,
                           const struct weir_start_partition *partition,
                           const struct weir_own_input_partition *chosen)
{
    bool has_position = has_begun(facts) && partition->has_entry && partition->committed >= 0;
    if (!has_position) return chosen->from;
    return partition->committed < partition->epoch_end ? partition->committed
                                                       : partition->epoch_end;
}

static const struct weir_own_input_partition *chosen_of(const struct weir_start_topic *topic,
                                                        int32_t p)
{
    if (topic->chosen == NULL) return &not_known;
    return p < topic->chosen->partition_count ? &topic->chosen->partitions[p] : NULL;
}

/* ---- what differs ---------------------------------------------------------------------------- */

/* As of a commit: whatever may cut a log raises its leader epoch (start_compare.c). */
static bool is_older_copy(const struct weir_start_partition *partition,
                          const struct weir_own_input_partition *chosen)
{
    if (chosen->leader_epoch < 0 || partition->is_offline) return false; /* whose end is no end */
    if (partition->leader_epoch < chosen->leader_epoch) return true;
    return partition->leader_epoch == chosen->leader_epoch && partition->log_end < chosen->end;
}

/* Records from `position` up to where it was counted were given up, and were not then. Only the last range
 * is known: where more than one is new, or the log has forgotten some with its beginning, it may be there.
 * The last one that was known ends behind `position`, if it is the last still: it is not among those. */
static bool has_lost(const struct weir_start_partition *partition,
                     const struct weir_own_input_partition *chosen, int64_t position)
{
    bool is_last_new = partition->lost.to > chosen->lost_to;
    bool is_one_new = is_last_new && partition->lost_count == (size_t)chosen->lost_count + 1;
    uint32_t remembered = is_last_new ? 0 : 1;
    bool may_have_forgotten =
        chosen->lost_count > remembered && partition->log_start > chosen->from;
    if (partition->lost.to <= position) return false;
    if (is_one_new && !may_have_forgotten) return partition->lost.from < chosen->end;
    return is_last_new || partition->lost_count > chosen->lost_count || may_have_forgotten;
}

static enum weir_start_what partition_differs(const struct weir_start_facts *facts,
                                              const struct weir_start_partition *partition,
                                              const struct weir_own_input_partition *chosen,
                                              int64_t *a, int64_t *b)
{
    int64_t position = position_of(facts, partition, chosen);
    *a = chosen->end;
    *b = partition->log_end;
    if (position >= chosen->end) return WEIR_START_NOTHING;
    if (partition->is_offline && !has_begun(facts)) return WEIR_START_NOTHING; /* told already */
    if (is_older_copy(partition, chosen)) return WEIR_START_CHOSEN_OLDER;
    *a = position;
    *b = partition->log_start < chosen->end ? partition->log_start : chosen->end;
    if (*b > position) return WEIR_START_CHOSEN_TRIMMED;
    if (has_lost(partition, chosen, position)) {
        if (partition->lost.from > position) *a = partition->lost.from;
        *b = partition->lost.to < chosen->end ? partition->lost.to : chosen->end;
        if (*a >= *b) *a = position; /* it is another range, and this is where it may be */
        return WEIR_START_CHOSEN_LOST;
    }
    *a = partition->log_end;
    *b = chosen->end;
    bool is_short = chosen->leader_epoch >= 0 && !partition->is_offline && *a < *b;
    return is_short ? WEIR_START_CHOSEN_TAIL_LOST : WEIR_START_NOTHING;
}

static int add(struct weir_start_differences *found, struct weir_start_topic *topic,
               struct weir_start_difference difference)
{
    difference.topic = topic;
    difference.topic_name = topic->name;
    difference.of = topic->of;
    return weir_start_differs(found, difference);
}

static int compare_partitions(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                              struct weir_start_differences *found)
{
    int rc = 0;
    weir_assert(topic->exists);
    weir_assert(topic->chosen == NULL || weir_uuid_equal(topic->chosen->id, topic->id));
    for (int32_t p = 0; rc >= 0 && p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        const struct weir_own_input_partition *chosen = chosen_of(topic, p);
        struct weir_start_difference difference = {.partition = p};
        if (chosen == NULL) break; /* it is new since, and has lost nothing that was counted */
        difference.what = partition_differs(facts, partition, chosen, &difference.a, &difference.b);
        difference.a_epoch = chosen->leader_epoch;
        difference.b_epoch = partition->leader_epoch;
        if (difference.what != WEIR_START_NOTHING) rc = add(found, topic, difference);
    }
    return rc;
}

/* Before its first commit a rebuild reads all inputs through, also what no state is behind and what had not
 * been counted: until that is whole it goes nowhere. */
static int compare_damaged(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                           struct weir_start_differences *found)
{
    bool is_read_through = topic->exists && !has_begun(facts) &&
                           (facts->records->is_rebuilding || topic->chosen != NULL);
    int rc = 0;
    for (int32_t p = 0; is_read_through && rc >= 0 && p < topic->partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        struct weir_start_difference difference = {
            .what = WEIR_START_CHOSEN_DAMAGED,
            .partition = p,
            .b = weir_start_damaged_from(partition),
        };
        if (partition->is_offline) rc = add(found, topic, difference);
    }
    return rc;
}

static int compare_input(const struct weir_start_facts *facts, struct weir_start_topic *topic,
                         struct weir_start_differences *found)
{
    /* A rebuild that has written down others has not counted this one: it is new in the program. */
    bool is_of_before = facts->records->is_rebuilding && facts->records->input_count == 0;
    bool is_read_again = topic->chosen != NULL || is_of_before;
    if (!is_read_again || !topic->feeds_state) return 0;
    if (topic->chosen == NULL) return topic->exists ? compare_partitions(facts, topic, found) : 0;
    struct weir_start_difference difference = {.what = WEIR_START_CHOSEN_GONE};
    if (topic->exists) {
        if (weir_uuid_equal(topic->chosen->id, topic->id)) {
            return compare_partitions(facts, topic, found);
        }
        difference.what = WEIR_START_CHOSEN_REPLACED;
    }
    /* From the first commit on that one tells of it. */
    return has_begun(facts) ? 0 : add(found, topic, difference);
}

int weir_start_compare_chosen(const struct weir_start_facts *facts,
                              struct weir_start_differences *found)
{
    int rc = 0;
    for (size_t t = 0; rc >= 0 && t < facts->topic_count; t++) {
        struct weir_start_topic *topic = &facts->topics[t];
        weir_start_topic_check(topic);
        if (topic->role != WEIR_START_INPUT) continue;
        rc = compare_damaged(facts, topic, found);
        if (rc >= 0) rc = compare_input(facts, topic, found);
    }
    return rc;
}

/* ---- how far it is --------------------------------------------------------------------------- */

bool weir_start_is_read_again(const struct weir_start_facts *facts,
                              const struct weir_start_topic *topic)
{
    weir_assert(topic->chosen != NULL);
    if (!has_begun(facts)) return false;
    if (!topic->exists || !weir_uuid_equal(topic->chosen->id, topic->id)) return true;
    for (int32_t p = 0; p < topic->partition_count; p++) {
        const struct weir_own_input_partition *chosen = chosen_of(topic, p);
        if (chosen == NULL) break;
        if (position_of(facts, &topic->partitions[p], chosen) < chosen->end) return false;
    }
    return true;
}

/* ---- what is written down -------------------------------------------------------------------- */

/* Up to where the state that is dropped may have counted: a commit of somebody else says nothing of it. One
 * that is dropped while it was being made anew stands for the one before. */
static int64_t counted_end(const struct weir_start_topic *topic, int32_t p)
{
    const struct weir_start_partition *partition = &topic->partitions[p];
    const struct weir_own_input *before = topic->chosen;
    bool is_own = partition->has_entry && !partition->is_foreign_entry && partition->committed >= 0;
    int64_t end = is_own ? partition->committed : partition->log_end;
    bool is_same = before != NULL && weir_uuid_equal(before->id, topic->id);
    if (is_same && p < before->partition_count && before->partitions[p].end > end) {
        end = before->partitions[p].end;
    }
    return end;
}

/* Up to `ends`, where that is known; else as far as may have been counted. */
static struct weir_own_input describe(const struct weir_start_topic *topic,
                                      const struct weir_own_input *ends, struct weir_arena *arena)
{
    int32_t count = topic->partition_count;
    weir_assert(topic->exists);
    if (ends != NULL && ends->partition_count < count) count = ends->partition_count;
    struct weir_own_input input = {.name = topic->name, .id = topic->id, .partition_count = count};
    input.partitions = weir_arena_array(arena, (size_t)count + 1, sizeof *input.partitions);
    if (input.partitions == NULL) input.partition_count = 0;
    for (int32_t p = 0; p < input.partition_count; p++) {
        const struct weir_start_partition *partition = &topic->partitions[p];
        int64_t end = ends != NULL ? ends->partitions[p].end : counted_end(topic, p);
        input.partitions[p] = (struct weir_own_input_partition){
            .from = partition->log_start,
            .end = end < partition->log_end || partition->is_offline ? end : partition->log_end,
            .leader_epoch = partition->leader_epoch,
            .lost_to = partition->lost.to,
            .lost_count = (uint32_t)partition->lost_count,
        };
    }
    return input;
}

static bool is_same(const struct weir_own_input *a, const struct weir_own_input *b)
{
    if (!weir_uuid_equal(a->id, b->id) || a->partition_count != b->partition_count) return false;
    for (int32_t p = 0; p < a->partition_count; p++) {
        const struct weir_own_input_partition *x = &a->partitions[p];
        const struct weir_own_input_partition *y = &b->partitions[p];
        bool is_equal = x->from == y->from && x->end == y->end &&
                        x->leader_epoch == y->leader_epoch && x->lost_to == y->lost_to &&
                        x->lost_count == y->lost_count;
        if (!is_equal) return false;
    }
    return true;
}

enum weir_start_chosen_work weir_start_chosen_work(const struct weir_start_topic *topic,
                                                   bool reads_again, bool is_given_up,
                                                   struct weir_arena *arena,
                                                   struct weir_own_input *input_out)
{
    const struct weir_own_input *chosen = topic->chosen;
    bool is_read_again =
        reads_again && topic->role == WEIR_START_INPUT && topic->exists && topic->feeds_state;
    if (chosen == NULL && !is_read_again) return WEIR_START_CHOSEN_STAYS;
    if (!is_read_again && (reads_again || is_given_up)) return WEIR_START_CHOSEN_IS_OVER;
    bool is_it = topic->exists && chosen != NULL && weir_uuid_equal(chosen->id, topic->id);
    if (!is_read_again && !is_it) return WEIR_START_CHOSEN_STAYS; /* until it is found to be over */
    *input_out = describe(topic, is_read_again ? NULL : chosen, arena);
    return is_it && is_same(input_out, chosen) ? WEIR_START_CHOSEN_STAYS
                                               : WEIR_START_CHOSEN_IS_WRITTEN;
}
