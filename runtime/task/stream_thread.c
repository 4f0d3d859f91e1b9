#include "runtime/task/stream_thread.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"

enum { THREAD_MAGIC = 0x74687264, ARENA_BLOCK_SIZE = 256 << 10 };
enum { TASKS_PER_TURN = 16, ROWS_PER_TURN = WEIR_TASK_ROWS_MAX };

/**
 * A stream thread at work: messages and turns are events of weir_thread_step (thread_step.h), which says
 * what is to be done; this file does it.
 */

static struct weir_stream_thread *thread_of(struct weir_message *message)
{
    struct weir_stream_thread *thread = ((struct weir_note *)message)->thread;
    weir_assert(thread->magic == THREAD_MAGIC);
    return thread;
}

static int step(struct weir_stream_thread *thread, struct weir_thread_event event);

/* ---- running --------------------------------------------------------------------------------- */

static bool may_process(const struct weir_stream_thread *thread)
{
    return !thread->options.drive->is_paused && !weir_thread_is_full(thread);
}

static void ask_transaction(struct weir_stream_thread *thread)
{
    if (atomic_exchange(&thread->is_asking_transaction, true)) return;
    weir_actor_post(thread->options.listener.actor, &thread->wants_transaction.message);
}

/* One that the job has not taken yet asks for this one, too; it must not be posted twice. */
static void ask_commit(struct weir_stream_thread *thread)
{
    if (atomic_exchange(&thread->is_asking_commit, true)) return;
    weir_actor_post(thread->options.listener.actor, &thread->wants_commit.message);
}

static int run_task(struct weir_stream_thread *thread, size_t index, int64_t wall_ms)
{
    struct weir_task *task = thread->tasks[index].task;
    int fired = weir_task_run_timers(task, wall_ms);
    if (fired < 0) return fired;
    if (task->state != NULL && weir_state_wants_commit(task->state)) {
        (void)step(thread, (struct weir_thread_event){.type = WEIR_THREAD_WANTS_COMMIT});
    }
    if (task->state != NULL && weir_state_is_stalled(task->state)) return fired;
    task->time_limit_ms = weir_thread_align_limit(thread, task);
    int rows = weir_task_process(task);
    if (rows >= 0) weir_thread_align_task(thread, index, rows);
    return rows < 0 ? rows : fired + rows;
}

/* A batch of each task, going round; a turn ends after so many tasks that had something to do, or so many
 * rows: a seal that was asked for, and what is acknowledged, wait for its end. */
static int run_tasks(struct weir_stream_thread *thread)
{
    int work = 0;
    int busy = 0;
    int64_t wall_ms = weir_thread_wall_now_ms(thread);
    thread->collector.wall_now_ms = wall_ms;
    weir_thread_align_begin(thread);
    for (size_t i = 0; i < thread->task_count; i++) {
        if (busy == TASKS_PER_TURN || work >= ROWS_PER_TURN) break;
        if (!may_process(thread)) break;
        const size_t index = thread->next_task;
        struct weir_thread_task *owned = &thread->tasks[index];
        struct weir_task *task = owned->task;
        thread->next_task = (index + 1) % thread->task_count;
        if (!weir_task_is_running(task)) continue;
        int rc = run_task(thread, index, wall_ms);
        weir_thread_list_inputs(thread, owned);
        if (rc < 0) {
            weir_thread_fail(thread, rc, &task->error);
            weir_thread_tell_damaged_inputs(thread, task);
            return rc;
        }
        work += rc;
        busy += rc > 0;
    }
    return work + weir_thread_align_end(thread, work == 0);
}

/* When the thread has to look at it again; once it is due its request is on its way, which ends in a
 * turn of its own. */
static struct weir_mono backoff_due(const struct weir_backoff *backoff, struct weir_mono now)
{
    return backoff->is_waiting && backoff->due.ns > now.ns ? backoff->due : WEIR_MONO_NEVER;
}

static struct weir_mono retry_due(const struct weir_stream_thread *thread)
{
    struct weir_mono now = weir_mono_now(thread->env);
    struct weir_mono first = backoff_due(&thread->send_backoff, now);
    for (size_t t = 0; t < thread->task_count; t++) {
        const struct weir_thread_task *owned = &thread->tasks[t];
        for (size_t i = 0; i < owned->task->input_count; i++) {
            struct weir_mono due = backoff_due(&owned->fetches[i].backoff, now);
            if (due.ns < first.ns) first = due;
        }
    }
    return first;
}

static struct weir_mono timers_due(const struct weir_stream_thread *thread)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < thread->task_count; i++) {
        int64_t wall_ms = thread->tasks[i].task->timers.next_wall_ms;
        const int64_t idle_ms = weir_task_time_idle_due(thread->tasks[i].task);
        if (wall_ms < next_ms) next_ms = wall_ms;
        if (idle_ms < next_ms) next_ms = idle_ms;
    }
    if (next_ms == INT64_MAX || thread->options.drive->is_manual) return WEIR_MONO_NEVER;
    int64_t wait_ms = next_ms - weir_wall_now(thread->env).ms;
    return weir_mono_after_ms(weir_mono_now(thread->env), wait_ms > 0 ? wait_ms : 0);
}

static void set_alarm(struct weir_stream_thread *thread)
{
    struct weir_mono timers = timers_due(thread);
    struct weir_mono retry = retry_due(thread);
    struct weir_mono due = timers.ns < retry.ns ? timers : retry;
    if (due.ns < WEIR_MONO_NEVER.ns) weir_actor_wake_at(thread->actor, due);
}

static void update_gauges(struct weir_stream_thread *thread)
{
    int64_t lag = 0;
    int64_t state = 0;
    int64_t cache = 0;
    int64_t memory = 0;
    const bool is_bounded = thread->options.config->shares.write_buffer_bytes > 0;
    for (size_t t = 0; t < thread->task_count; t++) {
        const struct weir_task *task = thread->tasks[t].task;
        for (size_t i = 0; i < task->input_count; i++) {
            const struct weir_task_input *input = &task->inputs[i];
            int64_t behind = input->log_end - input->queue.position; /* the end may be older news */
            if (behind > 0) lag += behind;
        }
        if (task->state == NULL) continue;
        struct weir_state_sizes sizes = weir_state_sizes(task->state);
        cache += sizes.cache_bytes;
        if (is_bounded) memory += weir_state_memory(task->state);
        state += sizes.cache_bytes + sizes.open_bytes + sizes.sealed_bytes + sizes.backend_bytes;
    }
    weir_counter_set(&thread->lag, lag);
    weir_counter_set(&thread->state_bytes, state);
    weir_counter_set(&thread->cache_bytes, cache);
    weir_counter_set(&thread->memory_bytes, memory);
}

/* With more to do at hand only full batches go out; otherwise nothing waits for company. */
static int run(struct weir_stream_thread *thread, bool processes, bool has_sealed)
{
    weir_thread_send_again(thread);
    int work = processes ? run_tasks(thread) : 0;
    if (work < 0 || weir_thread_send(thread, work == 0) < 0) return 0;
    int handed_in = step(thread, (struct weir_thread_event){
                                     .type = WEIR_THREAD_SENT,
                                     .is_quiet = thread->sealed_out == 0,
                                     .needs_transaction = weir_thread_needs_transaction(thread),
                                 });
    weir_thread_fetch(thread);
    if (work == 0 || has_sealed) update_gauges(thread);
    if (work == 0) set_alarm(thread);
    return work + handed_in;
}

/* ---- stopping -------------------------------------------------------------------------------- */

static bool is_writing(const struct weir_stream_thread *thread)
{
    for (size_t i = 0; i < thread->task_count; i++) {
        const struct weir_task *task = thread->tasks[i].task;
        if (task->state != NULL && weir_state_is_writing(task->state)) return true;
    }
    return false;
}

static bool is_quiet(const struct weir_stream_thread *thread)
{
    return thread->fetches_out == 0 && thread->produces_out == 0 && !is_writing(thread);
}

static void cancel(struct weir_stream_thread *thread)
{
    weir_actor_wake_at(thread->actor, WEIR_MONO_NEVER);
    weir_thread_align_stop(thread);
    for (size_t i = 0; i < thread->task_count; i++) {
        weir_task_move(thread->tasks[i].task, WEIR_TASK_SUSPENDED);
        weir_thread_show_task(&thread->tasks[i]);
    }
    weir_thread_cancel_fetches(thread);
    weir_thread_cancel_restores(thread);
    weir_thread_drop_retries(thread);
}

static void close_tasks(struct weir_stream_thread *thread)
{
    for (size_t i = 0; i < thread->task_count; i++) {
        struct weir_thread_task *owned = &thread->tasks[i];
        for (size_t r = 0; r < owned->restore_count; r++) {
            weir_restore_close(&owned->restores[r]);
        }
        owned->restore_count = 0;
        struct weir_error error = {0};
        bool is_clean = thread->stop_clean && !thread->state.has_failed;
        int rc = weir_task_close_state(owned->task, is_clean, &error);
        if (rc < 0 && is_clean) weir_thread_fail(thread, rc, &error);
        weir_task_move(owned->task, WEIR_TASK_CLOSED);
        weir_thread_show_task(owned);
        weir_task_free(owned->task);
        owned->task = NULL;
    }
    thread->task_count = 0; /* the slots are freed with the thread */
}

/* ---- doing what the step says ---------------------------------------------------------------- */

/* One step of opening: true while there is more to open, or just done. */
static bool open_one(struct weir_stream_thread *thread)
{
    struct weir_error error = {0};
    const size_t before = thread->next_task;
    int rc = weir_thread_open_step(thread, &error);
    if (rc < 0) weir_thread_fail(thread, rc, &error);
    if (rc > 0) (void)step(thread, (struct weir_thread_event){.type = WEIR_THREAD_OPENED});
    return rc > 0 || (rc == 0 && thread->next_task > before);
}

/* How much was done. */
static int restore_some(struct weir_stream_thread *thread)
{
    struct weir_error error = {0};
    bool is_last = false;
    int rc = weir_thread_restore_step(thread, &is_last, &error);
    if (rc < 0) weir_thread_fail(thread, rc, &error);
    if (rc < 0) return 0;
    if (is_last) (void)step(thread, (struct weir_thread_event){.type = WEIR_THREAD_RESTORED});
    return rc + is_last;
}

/* How much was done. */
static int perform(struct weir_stream_thread *thread, const struct weir_thread_event *event,
                   const struct weir_thread_update *update)
{
    struct weir_actor *job = thread->options.listener.actor;
    int work = 0;
    if (update->opens) {
        work += open_one(thread);
    }
    if (update->says_opened) weir_actor_post(job, &thread->opened.message);
    if (update->restores) {
        work += restore_some(thread);
        if (thread->state.has_failed) return 0; /* nothing else is done behind it */
    }
    if (update->says_restored) weir_actor_post(job, &thread->restored.message);
    if (update->seals && weir_thread_seal(thread) >= 0) {
        work += step(thread, (struct weir_thread_event){.type = WEIR_THREAD_SEALED});
    }
    if (update->sends) {
        work += run(thread, update->processes, event->type == WEIR_THREAD_SEALED);
    }
    if (update->hands_in) work += weir_thread_hand_in(thread) >= 0;
    if (update->writes_down) (void)weir_thread_write_down(thread); /* fails the thread by itself */
    if (update->wants_transaction) ask_transaction(thread);
    if (update->wants_commit) ask_commit(thread);
    if (update->cancels) {
        cancel(thread);
        work += step(thread, (struct weir_thread_event){.type = WEIR_THREAD_CANCELLED,
                                                        .is_quiet = is_quiet(thread)});
    }
    if (update->closes) {
        close_tasks(thread);
        weir_actor_post(job, &thread->stopped.message);
    }
    return work;
}

static int step(struct weir_stream_thread *thread, struct weir_thread_event event)
{
    struct weir_thread_update update;
    weir_thread_step(&thread->state, &event, &update);
    return perform(thread, &event, &update);
}

static int thread_run_once(void *impl)
{
    struct weir_stream_thread *thread = impl;
    weir_assert(thread->magic == THREAD_MAGIC);
    bool is_stopping = thread->state.phase == WEIR_THREAD_STOPPING;
    bool is_sealing = thread->state.phase == WEIR_THREAD_RUNNING &&
                      thread->state.seal == WEIR_SEAL_ASKED && !thread->state.has_failed;
    if (is_sealing) (void)weir_thread_tell_times(thread); /* fails the thread by itself */
    return step(thread, (struct weir_thread_event){
                            .type = WEIR_THREAD_TURN,
                            .is_resending = weir_thread_is_resending(thread),
                            .needs_transaction = weir_thread_needs_transaction(thread),
                            .is_quiet = is_stopping && is_quiet(thread),
                        });
}

/* ---- messages -------------------------------------------------------------------------------- */

static void on_open(struct weir_message *message)
{
    (void)step(thread_of(message), (struct weir_thread_event){.type = WEIR_THREAD_OPEN});
}

static void on_run(struct weir_message *message)
{
    (void)step(thread_of(message), (struct weir_thread_event){.type = WEIR_THREAD_RUN});
}

static void on_seal(struct weir_message *message)
{
    struct weir_stream_thread *thread = thread_of(message);
    (void)step(thread, (struct weir_thread_event){.type = WEIR_THREAD_SEAL,
                                                  .is_last = thread->is_last_seal});
}

static void on_begun(struct weir_message *message)
{
    (void)step(thread_of(message), (struct weir_thread_event){.type = WEIR_THREAD_BEGUN});
}

static void on_committed(struct weir_message *message)
{
    (void)step(thread_of(message), (struct weir_thread_event){.type = WEIR_THREAD_COMMITTED});
}

static void on_stop(struct weir_message *message)
{
    (void)step(thread_of(message), (struct weir_thread_event){.type = WEIR_THREAD_STOP});
}

static void on_poke(struct weir_message *message)
{
    (void)message; /* the turn that follows is all */
}

void weir_stream_thread_run(struct weir_stream_thread *thread)
{
    weir_actor_post(thread->actor, &thread->run.message);
}

void weir_stream_thread_seal(struct weir_stream_thread *thread, bool is_last)
{
    thread->is_last_seal = is_last;
    weir_actor_post(thread->actor, &thread->seal.message);
}

void weir_stream_thread_begun(struct weir_stream_thread *thread)
{
    weir_actor_post(thread->actor, &thread->begun.message);
}

void weir_stream_thread_committed(struct weir_stream_thread *thread)
{
    weir_actor_post(thread->actor, &thread->committed.message);
}

void weir_stream_thread_stop(struct weir_stream_thread *thread, bool is_clean)
{
    thread->stop_clean = is_clean;
    weir_actor_post(thread->actor, &thread->stop.message);
}

bool weir_stream_thread_is_idle(const struct weir_stream_thread *thread)
{
    if (thread->state.phase != WEIR_THREAD_RUNNING || thread->state.seal != WEIR_SEAL_NONE)
        return false;
    if (thread->produces_out > 0 || !weir_collector_is_empty(&thread->collector)) return false;
    if (is_writing(thread)) return false;
    for (size_t t = 0; t < thread->task_count; t++) {
        const struct weir_thread_task *owned = &thread->tasks[t];
        if (!weir_task_is_running(owned->task)) return false;
        for (size_t i = 0; i < owned->task->input_count; i++) {
            const struct weir_task_input *input = &owned->task->inputs[i];
            bool is_read = input->log_end >= 0 && input->queue.fetch_offset >= input->log_end;
            bool is_taken = weir_input_queue_is_empty(&input->queue);
            if (!is_read || (!is_taken && !thread->options.drive->is_paused)) return false;
        }
    }
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void note_init(struct weir_stream_thread *thread, struct weir_note *note,
                      void (*handle)(struct weir_message *message))
{
    *note = (struct weir_note){.message = {.handle = handle}, .thread = thread};
}

int weir_stream_thread_new(const struct weir_stream_thread_options *options,
                           struct weir_stream_thread **thread_out, struct weir_error *error)
{
    weir_assert(options->drive != NULL && options->listener.actor != NULL);
    struct weir_stream_thread *thread = weir_alloc_zero(options->budget, sizeof *thread);
    size_t size = (options->task_capacity + 1) * sizeof *thread->tasks;
    struct weir_thread_task *tasks = weir_alloc_zero(options->budget, size);
    int64_t *times = weir_alloc_zero(options->budget, (options->task_capacity + 1) * sizeof *times);
    const size_t operator_count = options->config->topology->node_count;
    struct weir_operator_counts *operators =
        weir_alloc_zero(options->budget, (operator_count + 1) * sizeof *operators);
    if (thread == NULL || tasks == NULL || times == NULL || operators == NULL) {
        weir_free(thread);
        weir_free(tasks);
        weir_free(times);
        weir_free(operators);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a stream thread");
    }
    *thread = (struct weir_stream_thread){
        .magic = THREAD_MAGIC,
        .options = *options,
        .env = options->env,
        .tasks = tasks,
        .task_times = times,
        .operators = operators,
    };
    (void)snprintf(thread->name, sizeof thread->name, "stream-%zu", options->index);
    thread->state.name = thread->name;
    thread->fetch_last = &thread->fetch_first;
    const struct weir_task_config *config = options->config;
    weir_collector_init(&thread->collector, options->budget, options->batch_budget, config->topics,
                        options->topic_count);
    weir_arena_init(&thread->arena, options->budget, ARENA_BLOCK_SIZE);
    weir_input_pool_init(&thread->input_pool, options->budget);
    thread->collector.sends_outputs_at_once = options->sends_outputs_at_once;
    note_init(thread, &thread->open, on_open);
    note_init(thread, &thread->run, on_run);
    note_init(thread, &thread->seal, on_seal);
    note_init(thread, &thread->begun, on_begun);
    note_init(thread, &thread->committed, on_committed);
    note_init(thread, &thread->stop, on_stop);
    note_init(thread, &thread->poke, on_poke);
    const struct weir_thread_listener *listener = &options->listener;
    note_init(thread, &thread->opened, listener->on_opened);
    note_init(thread, &thread->restored, listener->on_restored);
    note_init(thread, &thread->handed_in, listener->on_handed_in);
    note_init(thread, &thread->failed, listener->on_failed);
    note_init(thread, &thread->stopped, listener->on_stopped);
    note_init(thread, &thread->wants_commit, listener->on_wants_commit);
    note_init(thread, &thread->wants_transaction, listener->on_wants_transaction);
    *thread_out = thread;
    return 0;
}

static int prepare_inputs(struct weir_stream_thread *thread, struct weir_thread_task *owned)
{
    struct weir_budget *budget = thread->options.budget;
    struct weir_task *task = owned->task;
    owned->fetches = weir_alloc_zero(budget, (task->input_count + 1) * sizeof *owned->fetches);
    owned->restores =
        weir_alloc_zero(budget, (task->plan->store_count + 1) * sizeof *owned->restores);
    if (owned->fetches == NULL || owned->restores == NULL) return WEIR_NO_MEMORY;
    owned->input_count = task->input_count;
    thread->input_total += task->input_count;
    for (size_t i = 0; i < task->input_count; i++) {
        struct weir_task_input *input = &task->inputs[i];
        const int32_t number = input->source.partition;
        const struct weir_partition_origin *origin =
            weir_thread_origin(thread, input->topic, number);
        weir_assert(origin != NULL);
        owned->fetches[i] = (struct weir_input_fetch){
            .thread = thread,
            .input = input,
            .origin = origin,
            .progress = {.topic = input->topic, .partition = number, .offset = origin->position},
        };
        weir_task_set_input(task, i, origin->position, origin->partition_time_ms);
        if (input->writers != NULL) input->writers->counted_from = origin->decided_end;
        input->leader_epoch = origin->leader_epoch;
        input->queue.read = origin->read;
    }
    return 0;
}

int weir_stream_thread_add(struct weir_stream_thread *thread, int32_t subtopology,
                           int32_t partition, struct weir_error *error)
{
    weir_assert(thread->state.phase == WEIR_THREAD_CREATED && thread->actor == NULL);
    weir_assert(thread->task_count < thread->options.task_capacity);
    const struct weir_stream_thread_options *options = &thread->options;
    struct weir_thread_task *owned = &thread->tasks[thread->task_count];
    int rc = weir_task_new(
        &(struct weir_task_options){
            .config = options->config,
            .env = options->env,
            .budget = options->budget,
            .collector = &thread->collector,
            .arena = &thread->arena,
            .input_pool = &thread->input_pool,
            .metrics = &thread->metrics,
            .operators = thread->operators,
            .subtopology = subtopology,
            .partition = partition,
        },
        &owned->task, error);
    if (rc < 0) return rc;
    thread->task_count++;
    thread->task_total++;
    thread->task_times[thread->task_count - 1] = INT64_MAX;
    owned->subtopology = subtopology;
    owned->partition = partition;
    rc = prepare_inputs(thread, owned);
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a task");
    return 0;
}

int weir_stream_thread_set_producer(struct weir_stream_thread *thread, int64_t producer_id,
                                    int16_t producer_epoch, struct weir_error *error)
{
    const struct weir_stream_thread_options *options = &thread->options;
    weir_assert(thread->state.phase == WEIR_THREAD_CREATED && thread->actor == NULL);
    weir_assert(options->sends_outputs_at_once);
    int rc = weir_output_producer_open(&thread->outside, options->budget, NULL,
                                       options->config->topics, options->topic_count);
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a stream thread");
    weir_output_producer_begin(&thread->outside, producer_id, producer_epoch);
    return 0;
}

int weir_stream_thread_start(struct weir_stream_thread *thread, struct weir_error *error)
{
    weir_assert(thread->state.phase == WEIR_THREAD_CREATED && thread->actor == NULL);
    int rc =
        weir_actor_start(thread->env,
                         &(struct weir_actor_options){
                             .name = thread->name, .run_once = thread_run_once, .impl = thread},
                         &thread->actor, error);
    if (rc < 0) return rc;
    weir_thread_align_start(thread);
    /* Its first turn finds nothing to do: it begins with this message. */
    weir_actor_post(thread->actor, &thread->open.message);
    return 0;
}

static void owned_free(struct weir_thread_task *owned)
{
    for (size_t i = 0; owned->fetches != NULL && i < owned->input_count; i++) {
        weir_free(owned->fetches[i].progress.marks);
    }
    weir_task_free(owned->task);
    weir_free(owned->fetches);
    weir_free(owned->restores);
}

void weir_stream_thread_free(struct weir_stream_thread *thread)
{
    if (thread == NULL) return;
    weir_assert(thread->magic == THREAD_MAGIC);
    weir_actor_stop(thread->actor);
    for (size_t i = 0; i < thread->options.task_capacity; i++) {
        owned_free(&thread->tasks[i]);
    }
    weir_collector_close(&thread->collector);
    weir_output_producer_close(&thread->outside);
    weir_input_pool_close(&thread->input_pool);
    weir_arena_close(&thread->arena);
    weir_free(thread->commit.ends);
    weir_free(thread->task_times);
    weir_free(thread->operators);
    weir_free(thread->tasks);
    weir_free(thread);
}
