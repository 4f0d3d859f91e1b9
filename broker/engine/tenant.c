#include "broker/engine/tenant.h"

#include "base/assert.h"

void weir_tenants_add(struct weir_tenants *tenants, struct weir_tenant tenant)
{
    weir_assert(tenants->count < WEIR_TENANTS_MAX);
    weir_assert(tenant.ops->topic != NULL && tenant.ops->open != NULL);
    weir_assert(tenant.ops->restore != NULL && tenant.ops->close != NULL);
    weir_assert(weir_tenants_find(tenants, weir_text(tenant.ops->topic)) == NULL);
    tenants->items[tenants->count++] = tenant;
}

const struct weir_tenant *weir_tenants_find(const struct weir_tenants *tenants,
                                            struct weir_slice topic)
{
    weir_assert(topic.size > 0);
    for (size_t i = 0; i < tenants->count; i++) {
        const struct weir_tenant *tenant = &tenants->items[i];
        if (weir_slice_equal(topic, weir_text(tenant->ops->topic))) return tenant;
    }
    return NULL;
}
