#include "broker/metadata/group_image.h"

#include <stdatomic.h>

#include "base/bytes.h"

void weir_group_image_ref(struct weir_group_image *group)
{
    atomic_fetch_add(&group->references, 1);
}

void weir_group_image_unref(struct weir_group_image *group)
{
    if (atomic_fetch_sub(&group->references, 1) != 1) return;
    weir_config_overrides_close(&group->configs);
    weir_free(group);
}

struct weir_group_image *weir_group_image_with(struct weir_budget *budget,
                                               const struct weir_group_image *old,
                                               struct weir_slice name, struct weir_slice key,
                                               struct weir_slice value)
{
    struct weir_group_image *group = weir_alloc_zero(budget, sizeof *group + name.size);
    if (group == NULL) return NULL;
    atomic_init(&group->references, 1);
    weir_copy(group + 1, name.data, name.size);
    group->name = weir_slice(group + 1, name.size);
    int rc = old != NULL ? weir_config_overrides_copy(budget, &old->configs, &group->configs) : 0;
    if (rc == 0) rc = weir_config_overrides_set(budget, &group->configs, key, value);
    if (rc == 0) return group;
    weir_group_image_unref(group);
    return NULL;
}
