#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_internal.h"

/** What all steps of a start share: a request that is waited for before the next step. */

int weir_start_no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to start the job");
}

static void on_answer(struct weir_request *request)
{
    struct weir_start *start = request->context;
    weir_assert(start->outstanding > 0 && start->streams->outstanding > 0);
    start->outstanding--;
    start->streams->outstanding--;
}

struct weir_request weir_start_asked(struct weir_start *start)
{
    start->outstanding++;
    start->streams->outstanding++;
    return (struct weir_request){
        .reply_to = start->streams->actor, .done = on_answer, .context = start};
}
