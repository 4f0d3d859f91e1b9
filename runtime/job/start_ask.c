#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"

/** What all steps of a start share: a request that is waited for before the next step. */

int weir_start_no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to start the job");
}

static void add_asked(struct weir_start *start)
{
    weir_assert(start->streams->start == start && start->streams->actor != NULL);
    start->outstanding++;
    start->streams->outstanding++;
}

static void take_asked(struct weir_start *start)
{
    weir_assert(start->outstanding > 0 && start->streams->outstanding > 0);
    start->outstanding--;
    start->streams->outstanding--;
}

static void on_answer(struct weir_request *request)
{
    take_asked(request->context);
}

struct weir_request weir_start_asked(struct weir_start *start)
{
    add_asked(start);
    return (struct weir_request){
        .reply_to = start->streams->actor, .done = on_answer, .context = start};
}

static void on_call_answered(struct weir_commit_call *call)
{
    take_asked(call->context);
}

struct weir_commit_call weir_start_called(struct weir_start *start)
{
    add_asked(start);
    return (struct weir_commit_call){.arena = &start->arena,
                                     .reply_to = start->streams->actor,
                                     .done = on_call_answered,
                                     .context = start};
}
