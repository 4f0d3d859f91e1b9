/* Planted bug: compaction passes the end that a job's last commit names, and takes what a crash brings back. */
#include "broker/log/cleaner_plan.h"

void __real_weir_cleaner_plan_make(const struct weir_cleaner_facts *facts,
                                   struct weir_cleaner_plan *plan_out);
void __wrap_weir_cleaner_plan_make(const struct weir_cleaner_facts *facts,
                                   struct weir_cleaner_plan *plan_out);

void __wrap_weir_cleaner_plan_make(const struct weir_cleaner_facts *facts,
                                   struct weir_cleaner_plan *plan_out)
{
    struct weir_cleaner_facts told = *facts;
    told.bound_offset = INT64_MAX;
    __real_weir_cleaner_plan_make(&told, plan_out);
}
