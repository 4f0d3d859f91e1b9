#include <string.h>

#include "base/assert.h"
#include "server/server_internal.h"

/*
 * Records that were to be sent from their file, which has ended before them: something has cut it since the
 * partition has looked (broker/log/log_short.c). The answer has begun, so its reader gets no error, only an
 * end. The partition is asked to look again, where it gets to know what is missing.
 */
struct report {
    struct weir_damage_report damage; /* first */
    struct weir_server_part *part;
    uint8_t topic[];
};

static void has_looked(struct weir_request *request)
{
    struct report *report = (struct report *)request;
    weir_assert(report->part->reports_out > 0);
    report->part->reports_out--;
    weir_free(report);
}

/* What has been deleted meanwhile has no name, and nothing to look at; without memory the next fetch looks. */
void weir_part_report_short(struct weir_server_part *part, const struct weir_log_range *range)
{
    const struct weir_log_range_place place = weir_log_range_place(range);
    struct weir_slice name = weir_broker_topic_name(part->broker, part->actor, place.topic_id);
    if (name.data == NULL) return;
    struct report *report = weir_alloc_zero(&part->budget, sizeof *report + name.size);
    if (report == NULL) return;
    memcpy(report->topic, name.data, name.size);
    report->part = part;
    report->damage = (struct weir_damage_report){
        .request = {.reply_to = part->actor, .done = has_looked, .topic_id = place.topic_id},
        .of = {weir_slice(report->topic, name.size), place.partition},
        .offset = place.last_offset,
    };
    part->reports_out++;
    weir_broker_report_damage(part->broker, &report->damage);
}
