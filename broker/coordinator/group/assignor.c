#include "broker/coordinator/group/assignor.h"

#include "broker/coordinator/group/assignor_range.h"
#include "broker/coordinator/group/assignor_uniform.h"

const struct weir_assignor weir_assignors[WEIR_ASSIGNOR_COUNT] = {
    {.name = "uniform", .assign = weir_assign_uniform},
    {.name = "range", .assign = weir_assign_range},
};

const struct weir_assignor *weir_assignor_find(struct weir_slice name)
{
    for (size_t i = 0; i < WEIR_ASSIGNOR_COUNT; i++) {
        if (weir_slice_equal(name, weir_text(weir_assignors[i].name))) return &weir_assignors[i];
    }
    return NULL;
}
