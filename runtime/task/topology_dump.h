#ifndef WEIR_RUNTIME_TASK_TOPOLOGY_DUMP_H
#define WEIR_RUNTIME_TASK_TOPOLOGY_DUMP_H

#include "runtime/topology/plan.h"

/**
 * What a topology keeps between two starts, as text: what a start finds again by name, and what an edit of the program
 * may lose. docs/format/topology.md. A line each, fields with a tab between them, `-` for none:
 *
 *     weir-topology  1
 *     input          topic
 *     repartition    name  partitions  key's type  its version  value's type  its version
 *     store          name  changelog|local  size of its windows  (the types, as above)  the inputs that it hears of
 *     node           what commits call it  time|timers
 *
 * In the topology's arena; NULL: no memory.
 */
const char *weir_topology_dump_text(struct weir_topology *topology);

#endif
