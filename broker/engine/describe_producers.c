#include "broker/engine/describe_producers.h"

#include "base/error.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

static void describe_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_describe_producers_request *describe =
        (struct weir_describe_producers_request *)request;
    int rc = weir_partition_log_producers(partition->log, describe->arena, &describe->producers,
                                          &describe->count);
    if (rc < 0) {
        weir_request_refuse(request, rc, "no memory to describe producers");
    } else {
        weir_request_reply(request, 0);
    }
}

static void describe_unmade(struct weir_partition *partition, struct weir_request *request)
{
    (void)partition; /* nobody has written to it */
    weir_request_reply(request, 0);
}

void weir_engine_describe_producers(struct weir_engine *engine,
                                    struct weir_describe_producers_request *request)
{
    request->producers = NULL;
    request->count = 0;
    weir_request_send_to_look(engine, &request->request, request->of, describe_stage,
                              describe_unmade);
}
