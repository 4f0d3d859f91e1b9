#include "broker/coordinator/group_claims.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/group/group_text.h"
#include "broker/metadata/uuid.h"

void weir_group_claims_init(struct weir_group_claims *claims)
{
    atomic_flag_clear(&claims->lock);
    claims->first = NULL;
}

static void lock(struct weir_group_claims *claims)
{
    while (atomic_flag_test_and_set_explicit(&claims->lock, memory_order_acquire)) {
    }
}

static void unlock(struct weir_group_claims *claims)
{
    atomic_flag_clear_explicit(&claims->lock, memory_order_release);
}

static bool is_listed(const struct weir_group_claims *claims, struct weir_slice group)
{
    const struct weir_group_claim *claim = claims->first;
    while (claim != NULL && !weir_slice_equal(claim->group, group))
        claim = claim->next;
    return claim != NULL;
}

bool weir_group_claims_has(struct weir_group_claims *claims, struct weir_slice group)
{
    lock(claims);
    bool is_claimed = is_listed(claims, group);
    unlock(claims);
    return is_claimed;
}

int weir_group_claims_add(struct weir_group_claims *claims, struct weir_slice group,
                          struct weir_uuid run, struct weir_group_claim *claim,
                          struct weir_error *error)
{
    char text[WEIR_UUID_TEXT_SIZE];
    weir_assert(claim->claims == NULL);
    lock(claims);
    bool is_taken = is_listed(claims, group);
    if (!is_taken) {
        *claim = (struct weir_group_claim){
            .next = claims->first, .claims = claims, .group = group, .generation = -1};
        (void)snprintf(claim->member_id, sizeof claim->member_id, "weir-%s",
                       weir_uuid_print(run, text));
        claims->first = claim;
    }
    unlock(claims);
    if (!is_taken) return 0;
    return weir_error_set(
        error, WEIR_LOCKED,
        "application '%.*s' is running on this log already: close that job first, "
        "or give this one an application_id of its own",
        WEIR_GROUP_SHOWN(group));
}

void weir_group_claims_release(struct weir_group_claim *claim)
{
    struct weir_group_claims *claims = claim->claims;
    if (claims == NULL) return;
    lock(claims);
    struct weir_group_claim **at = &claims->first;
    while (*at != NULL && *at != claim)
        at = &(*at)->next;
    weir_assert(*at == claim);
    *at = claim->next;
    unlock(claims);
    *claim = (struct weir_group_claim){0};
}
