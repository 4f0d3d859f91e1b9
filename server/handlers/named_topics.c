#include "server/handlers/named_topics.h"

#include "base/assert.h"
#include "server/handlers/outcome.h"

static void listed(struct weir_request *request)
{
    struct weir_named_topics *named = (struct weir_named_topics *)request;
    if (request->rc < 0) {
        weir_context_reply_close(named->context, request->error.text);
    } else {
        named->done(named);
    }
}

void weir_named_topics_begin(struct weir_named_topics *named, struct weir_request_context *context,
                             const struct weir_slice *names, size_t count,
                             void (*done)(struct weir_named_topics *named))
{
    weir_assert(count <= WEIR_SUBJECTS_MAX);
    named->context = context;
    named->done = done;
    named->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed},
        .arena = &context->arena,
        .names = names,
        .asked_count = count,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &named->list);
}

bool weir_named_topics_have(const struct weir_named_topics *named, size_t index, int32_t partition)
{
    weir_assert(index < named->list.topic_count);
    const struct weir_topic_info *topic = &named->list.topics[index];
    return topic->rc == 0 && partition >= 0 && partition < topic->partition_count;
}
