#include "broker/coordinator/partition_wake.h"

#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"
#include "broker/engine/route.h"

static void open_next(struct weir_partition_wake *wake);

static void opened(struct weir_request *request)
{
    struct weir_partition_wake *wake = request->context;
    wake->next++;
    open_next(wake);
}

/* The partition is open, and looks through what it has by itself. */
static void open_stage(struct weir_partition *partition, struct weir_request *request)
{
    (void)partition;
    weir_request_reply(request, 0);
}

static void open_next(struct weir_partition_wake *wake)
{
    struct weir_engine *engine = wake->engine;
    struct weir_topic_partition of = {.topic = weir_text(wake->topic)};
    const struct weir_topic_image *topic =
        weir_metadata_topic(weir_metadata_view_look(&engine->shards[0].metadata), of.topic);
    if (topic == NULL || weir_serving_check(&engine->serving, NULL) < 0) return;
    while (wake->next < topic->partition_count &&
           weir_uuid_is_zero(topic->partitions[wake->next].directory_id)) {
        wake->next++;
    }
    if (wake->next >= topic->partition_count) return;
    of.partition = wake->next;
    wake->request =
        (struct weir_request){.reply_to = engine->shards[0].actor, .done = opened, .context = wake};
    weir_request_send(engine, &wake->request, of, open_stage);
}

void weir_partition_wake_begin(struct weir_partition_wake *wake, struct weir_engine *engine,
                               const char *topic)
{
    if (wake->engine != NULL) return;
    *wake = (struct weir_partition_wake){.engine = engine, .topic = topic};
    open_next(wake);
}
