/* The real environment: actors, their mailboxes and deadlines, work, and waiting for them. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/env/env.h"
#include "tests/support/support.h"

static struct weir_env *env;
static struct weir_error error;

static void set_up(void)
{
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
}

static void tear_down(void)
{
    weir_env_uv_free(env);
}

static int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

static struct weir_actor *start(int (*run_once)(void *impl), void *impl)
{
    struct weir_actor *actor = NULL;
    struct weir_actor_options options = {.name = "test", .run_once = run_once, .impl = impl};
    ck_ok(weir_actor_start(env, &options, &actor, &error), &error);
    return actor;
}

static bool is_set(void *context)
{
    return atomic_load((_Atomic bool *)context);
}

static void wait_for(_Atomic bool *flag)
{
    ck_ok(weir_wait(env, is_set, flag, WEIR_MONO_NEVER), NULL);
}

static void set_and_signal(_Atomic bool *flag)
{
    atomic_store(flag, true);
    weir_signal(env);
}

/* ---- clocks and randomness ------------------------------------------------------------------- */

/* The monotonic clock never goes back, the wall clock tells this century, random bytes differ. */
START_TEST(clocks_and_randomness_are_plausible)
{
    struct weir_mono before = weir_mono_now(env);
    ck_assert_int_ge(weir_mono_now(env).ns, before.ns);
    ck_assert_int_gt(weir_wall_now(env).ms, 1700000000000);
    ck_assert_uint_ne(weir_random_u64(env), weir_random_u64(env));
    uint8_t bytes[1000] = {0};
    weir_random(env, bytes, sizeof bytes);
    ck_assert_mem_ne(bytes + 900, bytes + 800, 100);
}
END_TEST

/* What the kernel says, without the newline. */
START_TEST(the_boot_id_is_the_kernels)
{
    char wanted[64] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL && fgets(wanted, sizeof wanted, file) != NULL) {
        wanted[strcspn(wanted, "\n")] = '\0';
    }
    if (file != NULL) (void)fclose(file);
    ck_assert_str_eq(weir_boot_id(env).text, wanted);
}
END_TEST

/* ---- messages -------------------------------------------------------------------------------- */

enum { SENDERS = 4, MESSAGES = 5000 };

struct numbered {
    struct weir_message message;
    int sender;
    int number;
};

static struct {
    struct weir_actor *actor;
    struct numbered all[SENDERS][MESSAGES];
    int next[SENDERS]; /* the actor's */
    int total;
    _Atomic bool in_order;
    _Atomic bool done;
} crowd;

static void take_numbered(struct weir_message *message)
{
    struct numbered *numbered = (struct numbered *)message;
    if (numbered->number != crowd.next[numbered->sender]++) atomic_store(&crowd.in_order, false);
    if (++crowd.total == SENDERS * MESSAGES) set_and_signal(&crowd.done);
}

static void *send_numbered(void *argument)
{
    struct numbered *messages = argument;
    for (int i = 0; i < MESSAGES; i++) {
        weir_actor_post(crowd.actor, &messages[i].message);
    }
    return NULL;
}

/* Several threads post at once: every message arrives, each sender's in its order. */
START_TEST(messages_of_several_threads_arrive_in_order_per_sender)
{
    pthread_t threads[SENDERS];
    memset(&crowd, 0, sizeof crowd);
    atomic_store(&crowd.in_order, true);
    crowd.actor = start(nothing_to_do, NULL);
    for (int sender = 0; sender < SENDERS; sender++) {
        for (int i = 0; i < MESSAGES; i++) {
            crowd.all[sender][i] = (struct numbered){{NULL, take_numbered}, sender, i};
        }
        pthread_create(&threads[sender], NULL, send_numbered, crowd.all[sender]);
    }
    wait_for(&crowd.done);
    for (int sender = 0; sender < SENDERS; sender++) {
        pthread_join(threads[sender], NULL);
    }
    ck_assert(atomic_load(&crowd.in_order));
    weir_actor_stop(crowd.actor);
}
END_TEST

static struct {
    struct weir_actor *sides[2];
    struct weir_message ball;
    int hits;
    int hits_max;
    _Atomic bool done;
} game;

static void hit_back(struct weir_message *ball)
{
    if (++game.hits == game.hits_max) {
        set_and_signal(&game.done);
        return;
    }
    weir_actor_post(game.sides[game.hits % 2], ball);
}

static void play(int hits_max)
{
    game.hits = 0;
    game.hits_max = hits_max;
    game.ball = (struct weir_message){NULL, hit_back};
    atomic_store(&game.done, false);
    weir_actor_post(game.sides[0], &game.ball);
    wait_for(&game.done);
    ck_assert_int_eq(game.hits, hits_max);
}

/* A message goes to and fro between two actors 100,000 times: a lost wake-up would hang it. */
START_TEST(no_wake_up_is_lost_between_two_actors)
{
    game.sides[0] = start(nothing_to_do, NULL);
    game.sides[1] = start(nothing_to_do, NULL);
    play(100000);
    weir_actor_stop(game.sides[0]);
    weir_actor_stop(game.sides[1]);
}
END_TEST

/* The same between a user's thread that waits and an actor. */
START_TEST(no_wake_up_is_lost_between_a_waiting_thread_and_an_actor)
{
    game.sides[0] = game.sides[1] = start(nothing_to_do, NULL);
    for (int i = 0; i < 30000; i++) {
        play(1);
    }
    weir_actor_stop(game.sides[0]);
}
END_TEST

/* ---- turns and deadlines --------------------------------------------------------------------- */

static struct {
    struct weir_actor *_Atomic actor;
    struct weir_mono deadline;
    struct weir_mono woken;
    bool is_armed;
    int turns_left;
    _Atomic bool done;
} alarm_clock;

static int arm_then_note_time(void *impl)
{
    (void)impl;
    struct weir_actor *actor = atomic_load(&alarm_clock.actor);
    if (actor == NULL || atomic_load(&alarm_clock.done)) return 0;
    struct weir_mono now = weir_mono_now(env);
    if (!alarm_clock.is_armed) {
        alarm_clock.is_armed = true;
        alarm_clock.deadline = weir_mono_after_ms(now, 20);
        weir_actor_wake_at(actor, weir_mono_after_ms(now, 3600 * 1000));
        weir_actor_wake_at(actor, alarm_clock.deadline);
    } else if (now.ns >= alarm_clock.deadline.ns) {
        alarm_clock.woken = now;
        set_and_signal(&alarm_clock.done);
    } else {
        weir_actor_wake_at(actor, alarm_clock.deadline);
    }
    return 0;
}

static void nudge(struct weir_message *message)
{
    (void)message;
}

/* An actor that asked for a turn at a deadline gets one, and the last deadline it named counts. */
START_TEST(a_deadline_brings_a_turn)
{
    struct weir_message message = {NULL, nudge};
    memset(&alarm_clock, 0, sizeof alarm_clock);
    struct weir_actor *actor = start(arm_then_note_time, NULL);
    atomic_store(&alarm_clock.actor, actor);
    weir_actor_post(actor, &message);
    wait_for(&alarm_clock.done);
    ck_assert_int_ge(alarm_clock.woken.ns, alarm_clock.deadline.ns);
    weir_actor_stop(actor);
}
END_TEST

/* Deadlines so near that they pass while the actor is about to sleep, one after the other: each
 * brings its turn, though nothing else wakes the actor. */
static int arm_closely(void *impl)
{
    (void)impl;
    struct weir_actor *actor = atomic_load(&alarm_clock.actor);
    if (actor == NULL || atomic_load(&alarm_clock.done)) return 0;
    struct weir_mono now = weir_mono_now(env);
    if (now.ns >= alarm_clock.deadline.ns) {
        if (alarm_clock.turns_left-- == 0) {
            set_and_signal(&alarm_clock.done);
            return 0;
        }
        alarm_clock.deadline.ns = now.ns + alarm_clock.turns_left % 64 * 50;
    }
    weir_actor_wake_at(actor, alarm_clock.deadline);
    return 0;
}

START_TEST(a_deadline_that_passes_on_the_way_to_sleep_brings_a_turn)
{
    struct weir_message message = {NULL, nudge};
    memset(&alarm_clock, 0, sizeof alarm_clock);
    alarm_clock.turns_left = 1000;
    struct weir_actor *actor = start(arm_closely, NULL);
    atomic_store(&alarm_clock.actor, actor);
    weir_actor_post(actor, &message);
    wait_for(&alarm_clock.done);
    ck_assert_int_eq(alarm_clock.turns_left, -1);
    weir_actor_stop(actor);
}
END_TEST

/* Busy turns with a deadline among them: the polls in between must not swallow it. */
static int busy_until_told(void *impl)
{
    (void)impl;
    struct weir_actor *actor = atomic_load(&alarm_clock.actor);
    if (actor == NULL || atomic_load(&alarm_clock.done)) return 0;
    struct weir_mono now = weir_mono_now(env);
    if (!alarm_clock.is_armed) {
        alarm_clock.is_armed = true;
        alarm_clock.deadline = weir_mono_after_ms(now, 5);
        alarm_clock.turns_left = 100;
        weir_actor_wake_at(actor, alarm_clock.deadline);
        return 0;
    }
    if (alarm_clock.turns_left > 0) return alarm_clock.turns_left--;
    if (now.ns >= alarm_clock.deadline.ns)
        set_and_signal(&alarm_clock.done);
    else
        weir_actor_wake_at(actor, alarm_clock.deadline);
    return 0;
}

START_TEST(a_deadline_survives_busy_turns)
{
    struct weir_message message = {NULL, nudge};
    struct weir_message again = {NULL, nudge};
    memset(&alarm_clock, 0, sizeof alarm_clock);
    struct weir_actor *actor = start(busy_until_told, NULL);
    atomic_store(&alarm_clock.actor, actor);
    weir_actor_post(actor, &message);
    weir_actor_post(actor, &again);
    wait_for(&alarm_clock.done);
    weir_actor_stop(actor);
}
END_TEST

static int count_down(void *impl)
{
    int *left = impl;
    if (*left == 0) return 0;
    if (--*left == 0) set_and_signal(&alarm_clock.done);
    return 1;
}

/* An actor that reports work done is run again without anybody waking it. */
START_TEST(a_busy_actor_is_run_again_by_itself)
{
    int left = 1000;
    memset(&alarm_clock, 0, sizeof alarm_clock);
    struct weir_actor *actor = start(count_down, &left);
    wait_for(&alarm_clock.done);
    weir_actor_stop(actor);
    ck_assert_int_eq(left, 0);
}
END_TEST

static void count_up(struct weir_message *message)
{
    (void)message;
    alarm_clock.turns_left++;
}

/* Stopping leaves what is in the mailbox unhandled, and nothing is touched once it has returned. */
START_TEST(a_stopped_actor_handles_nothing_more)
{
    enum { COUNT = 100 };
    for (int round = 0; round < 100; round++) {
        struct weir_message *messages = calloc(COUNT, sizeof *messages);
        memset(&alarm_clock, 0, sizeof alarm_clock);
        struct weir_actor *actor = start(nothing_to_do, NULL);
        for (int i = 0; i < COUNT; i++) {
            messages[i].handle = count_up;
            weir_actor_post(actor, &messages[i]);
        }
        weir_actor_stop(actor);
        free(messages);
        ck_assert_int_le(alarm_clock.turns_left, COUNT);
    }
}
END_TEST

/* ---- work ------------------------------------------------------------------------------------ */

static struct {
    struct weir_work works[64];
    struct weir_actor *actor;
    pthread_t actor_thread;
    _Atomic int run_count;
    int done_count;
    bool is_wrong_thread;
    bool may_block_in_work;
    _Atomic bool has_thread;
    _Atomic bool done;
} office;

static void note_thread(struct weir_message *message)
{
    (void)message;
    office.actor_thread = pthread_self();
    set_and_signal(&office.has_thread);
}

static void run_in_background(struct weir_work *work)
{
    (void)work;
    atomic_fetch_add(&office.run_count, 1);
    if (weir_may_block(env)) office.may_block_in_work = true;
    if (pthread_equal(pthread_self(), office.actor_thread)) office.is_wrong_thread = true;
}

static void come_back(struct weir_message *message)
{
    (void)message;
    if (!pthread_equal(pthread_self(), office.actor_thread)) office.is_wrong_thread = true;
    if (++office.done_count == 64) set_and_signal(&office.done);
}

/* Each work runs once in the background and comes back on the thread of the actor that is named. */
START_TEST(work_comes_back_on_the_right_actor)
{
    struct weir_message first = {NULL, note_thread};
    memset(&office, 0, sizeof office);
    struct weir_actor *other = start(nothing_to_do, NULL);
    office.actor = start(nothing_to_do, NULL);
    weir_actor_post(office.actor, &first);
    wait_for(&office.has_thread);
    for (int i = 0; i < 64; i++) {
        office.works[i] =
            (struct weir_work){{NULL, come_back}, run_in_background, office.actor, false};
        weir_work_submit(env, &office.works[i]);
    }
    wait_for(&office.done);
    ck_assert_int_eq(atomic_load(&office.run_count), 64);
    ck_assert(!office.is_wrong_thread);
    ck_assert(!office.may_block_in_work);
    weir_actor_stop(office.actor);
    weir_actor_stop(other);
}
END_TEST

static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void wait_at_gate(struct weir_work *work)
{
    (void)work;
    pthread_mutex_lock(&gate.lock);
    while (!gate.is_open)
        pthread_cond_wait(&gate.opened, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
}

/* More long works than there are workers, none of which ends before the gate opens: all others are done
 * meanwhile. */
START_TEST(long_works_leave_a_worker_to_the_others)
{
    enum { LONG = 4 };
    struct weir_work long_works[LONG];
    memset(&office, 0, sizeof office);
    office.actor = start(nothing_to_do, NULL);
    for (int i = 0; i < LONG; i++) {
        long_works[i] =
            (struct weir_work){{NULL, nudge}, wait_at_gate, office.actor, .is_long = true};
        weir_work_submit(env, &long_works[i]);
    }
    for (int i = 0; i < 64; i++) {
        office.works[i] =
            (struct weir_work){{NULL, come_back}, run_in_background, office.actor, false};
        weir_work_submit(env, &office.works[i]);
    }
    wait_for(&office.done);
    open_gate();
    weir_actor_stop(office.actor);
}
END_TEST

static _Atomic bool has_long_run;

static void run_long(struct weir_work *work)
{
    (void)work;
    atomic_store(&has_long_run, true);
}

static void go_round(struct weir_message *message)
{
    if (!atomic_load(&has_long_run)) {
        weir_work_submit(env, (struct weir_work *)message);
    } else if (++office.done_count == 64) {
        set_and_signal(&office.done);
    }
}

/* Short works that never end, each queued again when it is done: a long one has its turn all the same. */
START_TEST(a_long_work_has_its_turn)
{
    struct weir_work long_work;
    memset(&office, 0, sizeof office);
    atomic_store(&has_long_run, false);
    office.actor = start(nothing_to_do, NULL);
    for (int i = 0; i < 64; i++) {
        office.works[i] =
            (struct weir_work){{NULL, go_round}, run_in_background, office.actor, false};
        weir_work_submit(env, &office.works[i]);
    }
    long_work = (struct weir_work){{NULL, nudge}, run_long, office.actor, .is_long = true};
    weir_work_submit(env, &long_work);
    wait_for(&office.done);
    weir_actor_stop(office.actor);
}
END_TEST

/* An actor is stopped with works out: all run, none touches the actor once it is gone. */
/* ---- many at once ---------------------------------------------------------------------------- */

enum { EACH_COUNT = 16, EACH_MANY = 500, EACH_CALLERS = 4 };

struct many {
    _Atomic int done[EACH_MANY];
    pthread_barrier_t all;
};

static void meet(void *context, size_t index)
{
    struct many *many = context;
    (void)pthread_barrier_wait(&many->all);
    atomic_fetch_add(&many->done[index], 1);
}

static void count_one(void *context, size_t index)
{
    struct many *many = context;
    atomic_fetch_add(&many->done[index], 1);
}

/* Each waits until all the others are there, so none of them may wait for another to end. */
START_TEST(each_of_many_is_done_beside_the_others)
{
    struct many many = {0};
    pthread_barrier_init(&many.all, NULL, EACH_COUNT);
    for (int round = 1; round <= 3; round++) {
        weir_each(env, EACH_COUNT, meet, &many);
        for (int i = 0; i < EACH_COUNT; i++)
            ck_assert_int_eq(atomic_load(&many.done[i]), round);
    }
    pthread_barrier_destroy(&many.all);
}
END_TEST

static void *call_each(void *context)
{
    weir_each(env, EACH_MANY, count_one, context);
    const struct many *many = context;
    for (int i = 0; i < EACH_MANY; i++)
        ck_assert_int_eq(atomic_load(&many->done[i]), 1);
    return NULL;
}

/* Whoever asks has all of its own done when it goes on; nothing is done twice, and none is one too many. */
START_TEST(each_of_many_is_done_once_for_whoever_asks)
{
    static struct many many[EACH_CALLERS];
    pthread_t callers[EACH_CALLERS];
    for (int i = 0; i < EACH_CALLERS; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_each, &many[i]), 0);
    for (int i = 0; i < EACH_CALLERS; i++)
        ck_assert_int_eq(pthread_join(callers[i], NULL), 0);
    weir_each(env, 0, count_one, &many[0]);
    weir_each(env, 1, count_one, &many[0]);
    ck_assert_int_eq(atomic_load(&many[0].done[0]), 2);
}
END_TEST

START_TEST(stopping_waits_for_the_actors_works)
{
    memset(&office, 0, sizeof office);
    for (int round = 1; round <= 200; round++) {
        office.actor = start(nothing_to_do, NULL);
        for (int i = 0; i < 8; i++) {
            office.works[i] =
                (struct weir_work){{NULL, nudge}, run_in_background, office.actor, false};
            weir_work_submit(env, &office.works[i]);
        }
        weir_actor_stop(office.actor);
        ck_assert_int_eq(atomic_load(&office.run_count), 8 * round);
    }
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

static struct {
    int rc;
    bool may_block;
    bool blocks_signals;
    _Atomic bool done;
} refusal;

static bool never(void *context)
{
    (void)context;
    return false;
}

static void try_to_wait(struct weir_message *message)
{
    (void)message;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    refusal.blocks_signals = sigismember(&blocked, SIGINT) == 1;
    refusal.may_block = weir_may_block(env);
    refusal.rc = weir_wait(env, never, NULL, WEIR_MONO_NEVER);
    set_and_signal(&refusal.done);
}

/* An actor that would wait for others is refused; its thread takes none of the program's signals. */
START_TEST(waiting_on_an_actors_thread_is_refused)
{
    struct weir_message message = {NULL, try_to_wait};
    memset(&refusal, 0, sizeof refusal);
    struct weir_actor *actor = start(nothing_to_do, NULL);
    ck_assert(weir_may_block(env));
    weir_actor_post(actor, &message);
    wait_for(&refusal.done);
    ck_assert_int_eq(refusal.rc, WEIR_WRONG_THREAD);
    ck_assert(!refusal.may_block);
    ck_assert(refusal.blocks_signals);
    weir_actor_stop(actor);
}
END_TEST

/* A wait ends at its deadline, also one that has passed already. */
START_TEST(waiting_ends_at_the_deadline)
{
    struct weir_mono deadline = weir_mono_after_ms(weir_mono_now(env), 10);
    ck_code(weir_wait(env, never, NULL, deadline), WEIR_TIMED_OUT);
    ck_assert_int_ge(weir_mono_now(env).ns, deadline.ns);
    ck_code(weir_wait(env, never, NULL, (struct weir_mono){0}), WEIR_TIMED_OUT);
    ck_code(weir_wait(env, never, NULL, (struct weir_mono){-5}), WEIR_TIMED_OUT);
}
END_TEST

/* When memory is out an actor is not started, nothing is left behind, and the next try succeeds. */
START_TEST(an_actor_without_memory_is_refused_cleanly)
{
    struct weir_actor *actor = NULL;
    struct weir_actor_options options = {.name = "poor", .run_once = nothing_to_do};
    for (uint64_t nth = 1; nth <= 2; nth++) {
        atomic_store(&env->heap->fail_at, 1);
        ck_code(weir_actor_start(env, &options, &actor, &error), WEIR_NO_MEMORY);
        ck_assert_ptr_null(actor);
        atomic_store(&env->heap->fail_at, 0);
        if (nth == 1) weir_actor_stop(start(nothing_to_do, NULL)); /* the workers run from now on */
    }
    weir_actor_stop(start(nothing_to_do, NULL));
}
END_TEST

/* What is asked for is there where nothing is limited, and afterwards it is as it was. */
START_TEST(there_is_room_without_a_limit)
{
    ck_ok(weir_check_room(env, (size_t)1 << 40, &error), &error);
    for (int i = 0; i < 3; i++) {
        ck_ok(weir_room_enter(env, 16, (size_t)1 << 40, &error), &error);
        weir_room_leave(env);
    }
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) &&                                                              \
    !defined(__SANITIZE_THREAD__) /* they map more than any limit */
static void limit_memory(size_t left)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    ck_assert(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    struct rlimit limit = {.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + left,
                           .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Short memory, and short threads, are told with what is short; who was told no has nothing to leave. */
START_TEST(a_limit_is_told_by_its_name)
{
    limit_memory(4 << 20);
    ck_ok(weir_check_room(env, 1 << 20, &error), &error);
    ck_code(weir_check_room(env, 8 << 20, &error), WEIR_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.text, "8192 KiB"));
    ck_assert_ptr_nonnull(strstr(error.text, "ulimit -v"));
    ck_code(weir_room_enter(env, 16, 0, &error), WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.text, "16 more threads"));
    ck_ok(weir_room_enter(env, 0, 1 << 20, &error), &error);
    weir_room_leave(env);
}
END_TEST
#endif

static void add(Suite *suite)
{
    TCase *tests = tcase_create("env_uv");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, clocks_and_randomness_are_plausible);
    tcase_add_test(tests, the_boot_id_is_the_kernels);
    tcase_add_test(tests, messages_of_several_threads_arrive_in_order_per_sender);
    tcase_add_test(tests, no_wake_up_is_lost_between_two_actors);
    tcase_add_test(tests, no_wake_up_is_lost_between_a_waiting_thread_and_an_actor);
    tcase_add_test(tests, a_deadline_brings_a_turn);
    tcase_add_test(tests, a_deadline_that_passes_on_the_way_to_sleep_brings_a_turn);
    tcase_add_test(tests, a_deadline_survives_busy_turns);
    tcase_add_test(tests, a_busy_actor_is_run_again_by_itself);
    tcase_add_test(tests, a_stopped_actor_handles_nothing_more);
    tcase_add_test(tests, work_comes_back_on_the_right_actor);
    tcase_add_test(tests, stopping_waits_for_the_actors_works);
    tcase_add_test(tests, each_of_many_is_done_beside_the_others);
    tcase_add_test(tests, each_of_many_is_done_once_for_whoever_asks);
    tcase_add_test(tests, long_works_leave_a_worker_to_the_others);
    tcase_add_test(tests, a_long_work_has_its_turn);
    tcase_add_test(tests, waiting_on_an_actors_thread_is_refused);
    tcase_add_test(tests, waiting_ends_at_the_deadline);
    tcase_add_test(tests, an_actor_without_memory_is_refused_cleanly);
    tcase_add_test(tests, there_is_room_without_a_limit);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tests, a_limit_is_told_by_its_name);
#endif
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("env_uv", add);
}
