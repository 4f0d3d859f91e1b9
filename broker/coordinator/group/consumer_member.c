#include "broker/coordinator/group/consumer_member.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/state_table.h"

#define TO(state) WEIR_STATE_BIT(WEIR_MEMBER_##state)
static const struct weir_state_row rows[] = {
    [WEIR_MEMBER_STABLE] = {"stable",
                            TO(STABLE) | TO(UNREVOKED_PARTITIONS) | TO(UNRELEASED_PARTITIONS)},
    [WEIR_MEMBER_UNREVOKED_PARTITIONS] = {"unrevoked partitions", TO(STABLE) |
                                                                      TO(UNREVOKED_PARTITIONS) |
                                                                      TO(UNRELEASED_PARTITIONS)},
    [WEIR_MEMBER_UNRELEASED_PARTITIONS] = {"unreleased partitions", TO(STABLE) |
                                                                        TO(UNREVOKED_PARTITIONS) |
                                                                        TO(UNRELEASED_PARTITIONS)},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("member", rows);
_Static_assert(sizeof rows / sizeof rows[0] == WEIR_MEMBER_STATE_COUNT, "a row for each state");

struct weir_consumer_member *weir_consumer_member_new(struct weir_budget *budget,
                                                      struct weir_slice member_id)
{
    struct weir_consumer_member *member = weir_alloc_zero(budget, sizeof *member + member_id.size);
    if (member == NULL) return NULL;
    weir_copy(member + 1, member_id.data, member_id.size);
    member->member_id = weir_slice(member + 1, member_id.size);
    member->session_deadline_ms = INT64_MAX;
    member->revoke_deadline_ms = INT64_MAX;
    member->join_deadline_ms = INT64_MAX;
    member->sync_deadline_ms = INT64_MAX;
    return member;
}

void weir_consumer_member_free(struct weir_consumer_member *member)
{
    if (member == NULL) return;
    weir_partition_set_close(&member->assigned);
    weir_partition_set_close(&member->pending_revocation);
    weir_partition_set_close(&member->target);
    weir_free(member->words);
    weir_free(member);
}

const char *weir_member_state_name(enum weir_member_state state)
{
    return weir_state_name(&states, state);
}

void weir_consumer_member_enter(struct weir_consumer_member *member, enum weir_member_state state)
{
    member->state =
        (enum weir_member_state)weir_state_move(&states, "consumer", member->state, state);
}

/* Does the member, as far as it says, still have any of these? One that does not say may. */
static bool has_any(const struct weir_partition_set *owned, const struct weir_partition_set *set)
{
    if (owned == NULL) return true;
    for (size_t i = 0; i < set->count; i++) {
        if (weir_partition_set_find(owned, set->items[i].topic_id, set->items[i].partition) !=
            NULL) {
            return true;
        }
    }
    return false;
}

/* Nobody has it, or the member itself, which has just said that it has given it up. */
static bool is_free(const struct weir_consumer_member *member,
                    const struct weir_partition_owners *owners,
                    const struct weir_group_partition *partition)
{
    const struct weir_consumer_member *owner =
        weir_partition_owner(owners, partition->topic_id, partition->partition);
    return owner == NULL || owner == member;
}

/* Of what it shall have and has not, is anything free by now? */
static bool can_be_given(const struct weir_consumer_member *member,
                         const struct weir_partition_owners *owners)
{
    size_t at = 0;
    for (size_t i = 0; i < member->target.count; i++) {
        const struct weir_group_partition *wanted = &member->target.items[i];
        while (at < member->assigned.count &&
               weir_group_partition_compare(&member->assigned.items[at], wanted) < 0) {
            at++;
        }
        bool has_it = at < member->assigned.count &&
                      weir_group_partition_compare(&member->assigned.items[at], wanted) == 0;
        if (!has_it && is_free(member, owners, wanted)) return true;
    }
    return false;
}

static bool stays(const struct weir_consumer_member *member, int32_t assignment_epoch,
                  const struct weir_partition_owners *owners,
                  const struct weir_partition_set *owned)
{
    switch (member->state) {
    case WEIR_MEMBER_STABLE:
        return member->epoch == assignment_epoch;
    case WEIR_MEMBER_UNREVOKED_PARTITIONS:
        return has_any(owned, &member->pending_revocation);
    case WEIR_MEMBER_UNRELEASED_PARTITIONS:
        return member->epoch == assignment_epoch &&
               weir_partition_set_has_all(&member->target, &member->assigned) &&
               !can_be_given(member, owners);
    case WEIR_MEMBER_STATE_COUNT:
        break;
    }
    weir_assert(false); /* a state of a member */
    return true;
}

bool weir_consumer_member_must_act(const struct weir_consumer_member *member,
                                   int32_t assignment_epoch,
                                   const struct weir_partition_owners *owners)
{
    return member->state == WEIR_MEMBER_UNREVOKED_PARTITIONS ||
           !stays(member, assignment_epoch, owners, NULL);
}

/* What it has against what it shall have, in one walk along both. */
struct comparison {
    struct weir_partition_set kept;    /* has and shall have */
    struct weir_partition_set given;   /* kept, and what is free of the rest of the target */
    struct weir_partition_set revoked; /* has and shall not have */
    bool is_short;                     /* some of the target is not free yet */
};

static void add(struct weir_partition_set *set, const struct weir_group_partition *partition,
                int32_t epoch)
{
    set->items[set->count] = *partition;
    set->items[set->count++].epoch = epoch;
}

static int compare(const struct weir_consumer_member *member, int32_t assignment_epoch,
                   const struct weir_partition_owners *owners, struct weir_arena *arena,
                   struct comparison *comparison)
{
    const struct weir_partition_set *has = &member->assigned;
    const struct weir_partition_set *shall = &member->target;
    const size_t size = sizeof *has->items;
    comparison->kept.items = weir_arena_array(arena, has->count, size);
    comparison->revoked.items = weir_arena_array(arena, has->count, size);
    comparison->given.items = weir_arena_array(arena, shall->count, size);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    size_t h = 0, s = 0;
    while (h < has->count || s < shall->count) {
        int order = h == has->count ? 1
                    : s == shall->count
                        ? -1
                        : weir_group_partition_compare(&has->items[h], &shall->items[s]);
        if (order < 0) {
            add(&comparison->revoked, &has->items[h], has->items[h].epoch);
        } else if (order == 0) {
            add(&comparison->kept, &has->items[h], has->items[h].epoch);
            add(&comparison->given, &has->items[h], has->items[h].epoch);
        } else if (is_free(member, owners, &shall->items[s])) {
            add(&comparison->given, &shall->items[s], assignment_epoch);
        } else {
            comparison->is_short = true;
        }
        h += order <= 0;
        s += order >= 0;
    }
    return 0;
}

int weir_consumer_member_reconcile(const struct weir_consumer_member *member,
                                   int32_t assignment_epoch,
                                   const struct weir_partition_owners *owners,
                                   const struct weir_partition_set *owned, struct weir_arena *arena,
                                   struct weir_member_move *move_out)
{
    struct comparison comparison = {0};
    if (stays(member, assignment_epoch, owners, owned)) return 0;
    int rc = compare(member, assignment_epoch, owners, arena, &comparison);
    if (rc < 0) return rc;
    if (comparison.revoked.count > 0 && has_any(owned, &comparison.revoked)) {
        *move_out = (struct weir_member_move){
            .state = WEIR_MEMBER_UNREVOKED_PARTITIONS,
            .epoch = member->epoch,
            .assigned = comparison.kept,
            .pending_revocation = comparison.revoked,
        };
        return 1;
    }
    *move_out = (struct weir_member_move){
        .state = comparison.is_short ? WEIR_MEMBER_UNRELEASED_PARTITIONS : WEIR_MEMBER_STABLE,
        .epoch = assignment_epoch,
        .assigned = comparison.given,
    };
    return 1;
}
