/* The simulator: events in order, the same seed the same run, deadlines, work, waiting, crashes. */
#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"

static struct weir_error error;

static struct weir_sim *new_sim(uint64_t seed)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(sim);
    return sim;
}

static int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

static struct weir_actor *start(struct weir_env *env, const char *name, int (*run_once)(void *impl),
                                void *impl)
{
    struct weir_actor *actor = NULL;
    struct weir_actor_options options = {.name = name, .run_once = run_once, .impl = impl};
    ck_ok(weir_actor_start(env, &options, &actor, &error), &error);
    return actor;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool is_set(void *context)
{
    return *(bool *)context;
}

/* ---- a small crowd of actors ----------------------------------------------------------------- */

enum { MEMBERS = 5 };

/* Pass balls about: to whom, and after how long, is drawn from the node's randomness. */
struct crowd {
    struct weir_env *env;
    struct weir_actor *members[MEMBERS];
    struct ball {
        struct weir_message message;
        struct weir_work work;
        struct crowd *crowd;
        int hops;
    } balls[3];
    uint64_t path; /* who held which ball, in order */
    int finished;
};

static void pass_on(struct weir_message *message);

static void carry(struct weir_work *work)
{
    (void)work;
}

static void pass_back(struct weir_message *message)
{
    struct ball *ball = (struct ball *)((char *)message - offsetof(struct ball, work.done));
    pass_on(&ball->message);
}

static void pass_on(struct weir_message *message)
{
    struct ball *ball = (struct ball *)message;
    struct crowd *crowd = ball->crowd;
    crowd->path = crowd->path * 31 + (uint64_t)(ball - crowd->balls) + 1;
    if (--ball->hops == 0) {
        crowd->finished++;
        return;
    }
    struct weir_actor *to = crowd->members[weir_random_u64(crowd->env) % MEMBERS];
    if (weir_random_u64(crowd->env) % 4 == 0) {
        ball->work = (struct weir_work){{NULL, pass_back}, carry, to, false};
        weir_work_submit(crowd->env, &ball->work);
    } else {
        weir_actor_post(to, message);
    }
}

static void play(struct weir_sim *sim, struct crowd *crowd)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->env = weir_sim_node(sim, 0);
    for (int i = 0; i < MEMBERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "member %d", i);
        crowd->members[i] = start(crowd->env, name, nothing_to_do, NULL);
    }
    for (int i = 0; i < 3; i++) {
        crowd->balls[i].message.handle = pass_on;
        crowd->balls[i].crowd = crowd;
        crowd->balls[i].hops = 200;
        weir_actor_post(crowd->members[i], &crowd->balls[i].message);
    }
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(crowd->finished, 3);
}

/* The same seed gives the same order, the same times and the same trace hash; another seed others. */
START_TEST(the_same_seed_gives_the_same_run)
{
    static struct crowd crowds[3];
    uint64_t hashes[3];
    int64_t times[3];
    for (int i = 0; i < 3; i++) {
        struct weir_sim *sim = new_sim(i < 2 ? 7 : 8);
        play(sim, &crowds[i]);
        hashes[i] = weir_sim_trace_hash(sim);
        times[i] = weir_sim_now_ns(sim);
        weir_sim_free(sim);
    }
    ck_assert_uint_eq(hashes[0], hashes[1]);
    ck_assert_int_eq(times[0], times[1]);
    ck_assert_uint_eq(crowds[0].path, crowds[1].path);
    ck_assert_uint_ne(hashes[0], hashes[2]);
    ck_assert_uint_ne(crowds[0].path, crowds[2].path);
}
END_TEST

/* The test's own choices do not disturb the run. */
START_TEST(drawing_from_the_tests_generator_leaves_the_run_alone)
{
    static struct crowd crowd;
    struct weir_sim *plain = new_sim(3);
    struct weir_sim *drawn = new_sim(3);
    ck_assert_uint_ne(weir_sim_random(drawn), weir_sim_random(drawn));
    play(plain, &crowd);
    play(drawn, &crowd);
    ck_assert_uint_eq(weir_sim_trace_hash(plain), weir_sim_trace_hash(drawn));
    weir_sim_free(plain);
    weir_sim_free(drawn);
}
END_TEST

/* ---- clocks and deadlines -------------------------------------------------------------------- */

struct sleeper {
    struct weir_actor *actor;
    struct weir_env *env;
    int64_t wake_ms;
    int64_t woken_ms; /* -1: not yet */
    char *diary;
    char letter;
};

static int sleep_once(void *impl)
{
    struct sleeper *sleeper = impl;
    int64_t now_ms = weir_mono_now(sleeper->env).ns / 1000000;
    if (sleeper->actor == NULL || sleeper->woken_ms >= 0) return 0;
    if (now_ms >= sleeper->wake_ms) {
        sleeper->woken_ms = now_ms;
        strncat(sleeper->diary, &sleeper->letter, 1);
    } else {
        weir_actor_wake_at(sleeper->actor, weir_mono_after_ms((struct weir_mono){0}, 3600 * 1000));
        weir_actor_wake_at(sleeper->actor,
                           weir_mono_after_ms((struct weir_mono){0}, sleeper->wake_ms));
    }
    return 0;
}

/* Turning the clock forward runs what falls due in the order of the deadlines, each at its time. */
START_TEST(advance_runs_deadlines_in_order)
{
    char diary[8] = {0};
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    struct sleeper sleepers[3];
    for (int i = 0; i < 3; i++) {
        int64_t wake_ms = (int64_t[]){300, 100, 200}[i];
        sleepers[i] = (struct sleeper){NULL, env, wake_ms, -1, diary, (char)('a' + i)};
        sleepers[i].actor = start(env, "sleeper", sleep_once, &sleepers[i]);
    }
    weir_sim_advance_ms(sim, 150);
    ck_assert_str_eq(diary, "b");
    ck_assert_int_eq(weir_sim_now_ns(sim), 150 * 1000000);
    weir_sim_advance_ms(sim, 1000);
    ck_assert_str_eq(diary, "bca");
    ck_assert_int_eq(sleepers[0].woken_ms, 300);
    ck_assert_int_eq(sleepers[1].woken_ms, 100);
    ck_assert_int_eq(sleepers[2].woken_ms, 200);
    ck_assert(!weir_sim_step(sim));
    weir_sim_free(sim);
}
END_TEST

static int take_back(void *impl)
{
    struct sleeper *sleeper = impl;
    sleeper->woken_ms++;
    if (sleeper->actor == NULL) return 0;
    weir_actor_wake_at(sleeper->actor, weir_mono_after_ms(weir_mono_now(sleeper->env), 5));
    weir_actor_wake_at(sleeper->actor, WEIR_MONO_NEVER);
    return 0;
}

/* A deadline that was taken back brings no turn and no event. */
START_TEST(a_deadline_taken_back_leaves_no_event)
{
    struct weir_sim *sim = new_sim(1);
    struct sleeper sleeper = {.env = weir_sim_node(sim, 0)};
    sleeper.actor = start(sleeper.env, "sleeper", take_back, &sleeper);
    ck_assert_uint_eq(weir_sim_run(sim, NULL, NULL, 0), 1);
    ck_assert_int_lt(weir_sim_now_ns(sim), 5000000);
    ck_assert_int_eq(sleeper.woken_ms, 1);
    weir_sim_free(sim);
}
END_TEST

/* A jump of one node's wall clock touches neither its monotonic clock nor the other node. */
START_TEST(a_wall_jump_is_one_nodes_and_the_wall_clocks)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_env *envs[2] = {weir_sim_node(sim, 0), weir_sim_node(sim, 1)};
    int64_t wall_ms = weir_wall_now(envs[0]).ms;
    int64_t mono_ns = weir_mono_now(envs[0]).ns;
    weir_sim_jump_wall(sim, 0, -1000);
    ck_assert_int_eq(weir_wall_now(envs[0]).ms, wall_ms - 1000);
    ck_assert_int_eq(weir_wall_now(envs[1]).ms, wall_ms);
    ck_assert_int_eq(weir_mono_now(envs[0]).ns, mono_ns);
    weir_sim_advance_ms(sim, 10);
    ck_assert_int_eq(weir_wall_now(envs[0]).ms, wall_ms - 990);
    weir_sim_free(sim);
}
END_TEST

/* Nodes draw different random bytes, and a node other ones in each life. */
START_TEST(each_life_has_its_own_randomness)
{
    struct weir_sim *sim = new_sim(1);
    uint64_t first = weir_random_u64(weir_sim_node(sim, 0));
    uint64_t other = weir_random_u64(weir_sim_node(sim, 1));
    weir_sim_crash(sim, 0, WEIR_SIM_KILL);
    uint64_t second = weir_random_u64(weir_sim_node(sim, 0));
    ck_assert_uint_ne(first, other);
    ck_assert_uint_ne(first, second);
    weir_sim_free(sim);
}
END_TEST

/* A kill leaves the machine running; a loss of power starts it anew, and each node is its own. */
START_TEST(a_boot_ends_with_the_power_and_not_with_a_kill)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_boot_id first = weir_boot_id(weir_sim_node(sim, 0));
    struct weir_boot_id other = weir_boot_id(weir_sim_node(sim, 1));
    ck_assert_str_ne(first.text, "");
    ck_assert_str_ne(first.text, other.text);
    weir_sim_crash(sim, 0, WEIR_SIM_KILL);
    ck_assert_str_eq(weir_boot_id(weir_sim_node(sim, 0)).text, first.text);
    weir_sim_crash(sim, 0, WEIR_SIM_POWER);
    ck_assert_str_ne(weir_boot_id(weir_sim_node(sim, 0)).text, first.text);
    weir_sim_free(sim);
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

struct asking {
    struct weir_message message;
    struct weir_env *env;
    bool done;
    int rc;
    bool may_block;
};

static void answer(struct weir_message *message)
{
    struct asking *asking = (struct asking *)message;
    asking->may_block = weir_may_block(asking->env);
    asking->rc = weir_wait(asking->env, never, NULL, WEIR_MONO_NEVER);
    asking->done = true;
    weir_signal(asking->env);
}

/* Waiting from outside runs the events until it is done; inside an event it is refused. */
START_TEST(waiting_runs_events_outside_and_is_refused_inside)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_actor *actor = start(env, "actor", nothing_to_do, NULL);
    struct asking asking = {.message = {NULL, answer}, .env = env};
    ck_assert(weir_may_block(env));
    weir_actor_post(actor, &asking.message);
    ck_ok(weir_wait(env, is_set, &asking.done, WEIR_MONO_NEVER), NULL);
    ck_assert_int_eq(asking.rc, WEIR_WRONG_THREAD);
    ck_assert(!asking.may_block);
    weir_sim_free(sim);
}
END_TEST

/* With no event left a wait ends at its deadline, and virtual time is there; without one, at once. */
START_TEST(waiting_for_nothing_times_out)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_mono deadline = weir_mono_after_ms(weir_mono_now(env), 1234);
    ck_code(weir_wait(env, never, NULL, deadline), WEIR_TIMED_OUT);
    ck_assert_int_eq(weir_mono_now(env).ns, deadline.ns);
    ck_code(weir_wait(env, never, NULL, WEIR_MONO_NEVER), WEIR_TIMED_OUT);
    ck_assert_int_eq(weir_mono_now(env).ns, deadline.ns);
    weir_sim_free(sim);
}
END_TEST

static int always_busy(void *impl)
{
    ++*(int *)impl;
    return 1;
}

/* A busy actor is run again and again, and a run ends at its limit of virtual time. */
START_TEST(a_run_ends_at_its_limit)
{
    int turns = 0;
    struct weir_sim *sim = new_sim(1);
    start(weir_sim_node(sim, 0), "busy", always_busy, &turns);
    uint64_t events = weir_sim_run(sim, NULL, NULL, 1000000);
    ck_assert_int_eq(weir_sim_now_ns(sim), 1000000);
    ck_assert_uint_eq(events, (uint64_t)turns);
    ck_assert_int_ge(turns, 50); /* a turn comes within 20 us */
    weir_sim_free(sim);
}
END_TEST

struct job {
    struct weir_message message;
    struct weir_work work;
    int handled;
    int run;
};

static void count_handled(struct weir_message *message)
{
    ((struct job *)message)->handled++;
}

static void count_done(struct weir_message *message)
{
    ((struct job *)((char *)message - offsetof(struct job, work.done)))->handled++;
}

static void count_run(struct weir_work *work)
{
    ((struct job *)((char *)work - offsetof(struct job, work)))->run++;
}

/* A stopped actor gets no turn any more; its works were run, as in the real environment. */
START_TEST(a_stopped_actor_leaves_nothing_behind)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_actor *actor = start(env, "actor", nothing_to_do, NULL);
    struct job job = {
        .message = {NULL, count_handled},
        .work = {{NULL, count_done}, count_run, actor},
    };
    weir_actor_post(actor, &job.message);
    weir_work_submit(env, &job.work);
    weir_actor_stop(actor);
    ck_assert_uint_eq(weir_sim_run(sim, NULL, NULL, 0), 0);
    ck_assert_int_eq(job.handled, 0);
    ck_assert_int_eq(job.run, 1);
    ck_assert_uint_eq(atomic_load(&env->budget->used), 0);
    weir_sim_free(sim);
}
END_TEST

/* Work is run later and comes back later still, each once. */
START_TEST(work_takes_its_time_and_comes_back_once)
{
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    struct weir_actor *actor = start(env, "actor", nothing_to_do, NULL);
    struct job job = {.work = {{NULL, count_done}, count_run, actor}};
    weir_work_submit(env, &job.work);
    ck_assert_int_eq(job.run, 0);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(job.run, 1);
    ck_assert_int_eq(job.handled, 1);
    ck_assert_int_gt(weir_sim_now_ns(sim), 0);
    weir_sim_free(sim);
}
END_TEST

struct order {
    size_t of[8];
    size_t count;
};

static void note_index(void *context, size_t index)
{
    struct order *order = context;
    order->of[order->count++] = index;
}

/* Each of many once, in an order that its seed decides. */
START_TEST(many_are_done_in_an_order_of_the_seed)
{
    struct order first = {0};
    int differing = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct order orders[2] = {0};
        for (int i = 0; i < 2; i++) {
            struct weir_sim *sim = new_sim(seed);
            weir_each(weir_sim_node(sim, 0), 8, note_index, &orders[i]);
            weir_each(weir_sim_node(sim, 0), 0, note_index, &orders[i]);
            weir_sim_free(sim);
        }
        ck_assert_mem_eq(&orders[0], &orders[1], sizeof orders[0]);
        bool seen[8] = {0};
        for (size_t i = 0; i < orders[0].count; i++)
            seen[orders[0].of[i]] = true;
        ck_assert_uint_eq(orders[0].count, 8);
        for (size_t i = 0; i < 8; i++)
            ck_assert(seen[i]);
        if (seed == 1) first = orders[0];
        differing += memcmp(&first, &orders[0], sizeof first) != 0;
    }
    ck_assert_int_gt(differing, 0);
}
END_TEST

/* ---- crashes --------------------------------------------------------------------------------- */

/* A crash ends one node: its actors run no more, its memory goes, the other node goes on. */
START_TEST(a_crash_ends_one_node_only)
{
    int turns[2] = {0, 0};
    struct weir_sim *sim = new_sim(1);
    for (int node = 0; node < 2; node++) {
        struct weir_env *env = weir_sim_node(sim, node);
        ck_assert_ptr_nonnull(weir_alloc(env->budget, 100)); /* left to the crash to free */
        start(env, "busy", always_busy, &turns[node]);
    }
    weir_sim_run(sim, NULL, NULL, 100000);
    weir_sim_crash(sim, 0, WEIR_SIM_KILL);
    ck_assert(weir_sim_has_crashed(sim, 0));
    ck_assert(!weir_sim_has_crashed(sim, 1));
    int before[2] = {turns[0], turns[1]};
    weir_sim_run(sim, NULL, NULL, 100000);
    ck_assert_int_eq(turns[0], before[0]);
    ck_assert_int_gt(turns[1], before[1]);

    struct weir_env *revived = weir_sim_node(sim, 0);
    ck_assert(!weir_sim_has_crashed(sim, 0));
    ck_assert_uint_eq(atomic_load(&revived->budget->used), 0);
    weir_sim_free(sim);
}
END_TEST

/* ---- crashes inside an operation ------------------------------------------------------------- */

struct victim {
    struct weir_env *env;
    struct weir_actor *actor;
    struct weir_message message;
    struct weir_file *file;
    struct weir_message late;
    int late_count;
    int write_rc;
    int later_write_rc;
    int sync_rc;
    int open_rc;
    int wait_rc;
    uint64_t random;
    int turns_after;
    bool was_in_turn;
};

static void count_late(struct weir_message *message)
{
    ((struct victim *)((char *)message - offsetof(struct victim, late)))->late_count++;
}

/* The corpse goes on: nothing of what it does may have an effect. */
static void write_into_the_crash(struct weir_message *message)
{
    struct victim *victim = (struct victim *)((char *)message - offsetof(struct victim, message));
    struct weir_file *other = NULL;
    struct weir_iovec part = {"new", 3};
    victim->write_rc = weir_file_write(victim->file, &part, 1, 0, &error);
    victim->later_write_rc = weir_file_write(victim->file, &part, 1, 100, &error);
    victim->sync_rc = weir_file_sync(victim->file, NULL);
    victim->open_rc =
        weir_file_open(victim->env, "other", WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &other, NULL);
    victim->wait_rc = weir_wait(victim->env, never, NULL, WEIR_MONO_NEVER);
    victim->random = weir_random_u64(victim->env);
    weir_actor_post(victim->actor, &victim->late);
    weir_actor_wake_at(victim->actor, weir_mono_now(victim->env));
    weir_file_close(victim->file);
    victim->was_in_turn = true;
}

static int count_turns_after(void *impl)
{
    struct victim *victim = impl;
    if (victim->was_in_turn) victim->turns_after++;
    return 0;
}

static void set_up_victim(struct weir_sim *sim, struct victim *victim)
{
    struct weir_iovec part = {"old", 3};
    unsigned flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    memset(victim, 0, sizeof *victim);
    victim->env = weir_sim_node(sim, 0);
    victim->actor = start(victim->env, "victim", count_turns_after, victim);
    victim->message.handle = write_into_the_crash;
    victim->late.handle = count_late;
    ck_ok(weir_file_open(victim->env, "file", flags, &victim->file, &error), &error);
    ck_ok(weir_file_write(victim->file, &part, 1, 0, &error), &error);
    weir_sim_disk_count_reset(sim, 0);
}

/* The operation of a planned crash and all calls after it return WEIR_CRASHED and change nothing. */
START_TEST(a_crash_inside_an_operation_leaves_a_corpse_without_effect)
{
    struct victim victim;
    struct weir_sim *sim = new_sim(1);
    set_up_victim(sim, &victim);
    uint64_t disk = weir_sim_disk_hash(sim, 0, "/");
    weir_sim_disk_plan(
        sim, 0,
        (struct weir_sim_fault_plan){WEIR_SIM_FAULT_CRASH, .at = 1, .crash = WEIR_SIM_KILL});
    weir_actor_post(victim.actor, &victim.message);
    weir_sim_run(sim, NULL, NULL, 0);

    ck_assert(weir_sim_has_crashed(sim, 0));
    ck_assert(victim.was_in_turn);
    ck_assert_int_eq(victim.write_rc, WEIR_CRASHED);
    ck_assert_int_eq(victim.later_write_rc, WEIR_CRASHED);
    ck_assert_int_eq(victim.sync_rc, WEIR_CRASHED);
    ck_assert_int_eq(victim.open_rc, WEIR_CRASHED);
    ck_assert_int_eq(victim.wait_rc, WEIR_CRASHED);
    ck_assert_uint_eq(victim.random, 0);
    ck_assert_int_eq(victim.late_count, 0);
    ck_assert_int_eq(victim.turns_after, 0);
    ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "/"), disk);
    ck_assert_uint_eq(weir_sim_disk_count(sim, 0), 1);
    weir_sim_free(sim);
}
END_TEST

/* CRASH_AFTER: the operation was done, but its caller does not learn it. */
START_TEST(a_crash_after_an_operation_keeps_its_effect)
{
    char found[8] = {0};
    struct victim victim;
    struct weir_file *file = NULL;
    struct weir_sim *sim = new_sim(1);
    set_up_victim(sim, &victim);
    weir_sim_disk_plan(
        sim, 0,
        (struct weir_sim_fault_plan){WEIR_SIM_FAULT_CRASH_AFTER, .at = 1, .crash = WEIR_SIM_KILL});
    weir_actor_post(victim.actor, &victim.message);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(victim.write_rc, WEIR_CRASHED);
    ck_ok(weir_file_open(weir_sim_node(sim, 0), "file", WEIR_OPEN_READ, &file, &error), &error);
    ck_assert_int_eq(weir_file_read(file, found, sizeof found, 0, &error), 3);
    ck_assert_str_eq(found, "new");
    weir_sim_free(sim);
}
END_TEST

/* A thread that waits on a node that crashes is told so, and its frames still find their memory. */
START_TEST(a_wait_on_a_crashing_node_returns_crashed)
{
    struct victim victim;
    struct weir_sim *sim = new_sim(1);
    set_up_victim(sim, &victim);
    char *memory = weir_alloc_text(victim.env->budget, "mine", 4);
    weir_sim_disk_plan(
        sim, 0,
        (struct weir_sim_fault_plan){WEIR_SIM_FAULT_CRASH, .at = 1, .crash = WEIR_SIM_POWER});
    weir_actor_post(victim.actor, &victim.message);
    ck_code(weir_wait(victim.env, never, NULL, WEIR_MONO_NEVER), WEIR_CRASHED);
    ck_assert_str_eq(memory, "mine");
    weir_free(memory);
    weir_actor_stop(victim.actor);
    ck_assert_uint_eq(weir_sim_run(sim, NULL, NULL, 0), 0);
    ck_assert_ptr_nonnull(weir_sim_node(sim, 0));
    weir_sim_free(sim);
}
END_TEST

/* ---- attachments ----------------------------------------------------------------------------- */

static int crash_count;
static int free_count;

static void note_crash(void *object, enum weir_sim_crash_kind kind, struct weir_sim *sim)
{
    ck_assert_ptr_nonnull(sim);
    ck_assert_int_eq(kind, WEIR_SIM_POWER);
    ++*(int *)object;
    crash_count++;
}

static void note_free(void *object)
{
    (void)object;
    free_count++;
}

static int step(void *context)
{
    ++*(int *)context;
    return 0;
}

/* An attachment outlives the crashes of its node, hears of each, and is freed with the simulator. */
START_TEST(an_attachment_outlives_crashes)
{
    struct weir_sim *sim = new_sim(1);
    crash_count = free_count = 0;
    int *object =
        weir_sim_attachment(weir_sim_node(sim, 0), "model", sizeof *object, note_crash, note_free);
    ck_assert_int_eq(*object, 0);
    weir_sim_crash(sim, 0, WEIR_SIM_POWER);
    int *again = weir_sim_attachment(weir_sim_node(sim, 0), "model", sizeof *object, NULL, NULL);
    ck_assert_ptr_eq(again, object);
    ck_assert_int_eq(*again, 1);
    ck_assert_ptr_ne(weir_sim_attachment(weir_sim_node(sim, 1), "model", 4, NULL, NULL), object);
    weir_sim_free(sim);
    ck_assert_int_eq(free_count, 1);
    ck_assert_int_eq(crash_count, 1);
}
END_TEST

/* A model's steps are counted and crashed like changes of the disk. */
START_TEST(a_models_steps_are_counted_and_crashed)
{
    int steps = 0;
    struct weir_sim *sim = new_sim(1);
    struct weir_env *env = weir_sim_node(sim, 0);
    ck_ok(weir_sim_operation(env, "model write", step, &steps, &error), &error);
    ck_assert_uint_eq(weir_sim_disk_count(sim, 0), 1);
    weir_sim_disk_plan(sim, 0, (struct weir_sim_fault_plan){WEIR_SIM_FAULT_EIO, .at = 2});
    ck_code(weir_sim_operation(env, "model write", step, &steps, &error), WEIR_IO);
    ck_assert_ptr_nonnull(strstr(error.text, "model write"));
    ck_assert_int_eq(steps, 1);
    weir_sim_disk_plan(sim, 0, (struct weir_sim_fault_plan){WEIR_SIM_FAULT_CRASH_AFTER, .at = 3});
    ck_code(weir_sim_operation(env, "model write", step, &steps, &error), WEIR_CRASHED);
    ck_assert_int_eq(steps, 2);
    ck_assert(weir_sim_has_crashed(sim, 0));
    weir_sim_free(sim);
}
END_TEST

/* The simulator tells its environments from real ones. */
START_TEST(a_real_environment_has_no_simulator)
{
    struct weir_env *real = NULL;
    struct weir_sim *sim = new_sim(1);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &real, &error), &error);
    ck_assert_ptr_null(weir_sim_of(real));
    ck_assert_ptr_eq(weir_sim_of(weir_sim_node(sim, 0)), sim);
    weir_env_uv_free(real);
    weir_sim_free(sim);
}
END_TEST

static void keep_line(void *context, const char *line)
{
    snprintf(context, 128, "%s", line);
}

/* Crashes and changes of the disk are told to whoever listens, with virtual time and node. */
START_TEST(the_trace_names_time_and_node)
{
    char last[128] = {0};
    struct weir_sim_options options = {.seed = 1, .trace = keep_line, .trace_context = last};
    struct weir_sim *sim = weir_sim_new(&options);
    ck_ok(weir_make_directory(weir_sim_node(sim, 3), "data", &error), &error);
    ck_assert_str_eq(last, "[     0] node 3 > 1: make directory data");
    weir_sim_advance_ms(sim, 12);
    weir_sim_crash(sim, 3, WEIR_SIM_KILL);
    ck_assert_str_eq(last, "[    12] node 3 > killed");
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("env_sim");
    tcase_add_test(tests, the_same_seed_gives_the_same_run);
    tcase_add_test(tests, drawing_from_the_tests_generator_leaves_the_run_alone);
    tcase_add_test(tests, advance_runs_deadlines_in_order);
    tcase_add_test(tests, a_deadline_taken_back_leaves_no_event);
    tcase_add_test(tests, a_wall_jump_is_one_nodes_and_the_wall_clocks);
    tcase_add_test(tests, each_life_has_its_own_randomness);
    tcase_add_test(tests, a_boot_ends_with_the_power_and_not_with_a_kill);
    tcase_add_test(tests, waiting_runs_events_outside_and_is_refused_inside);
    tcase_add_test(tests, waiting_for_nothing_times_out);
    tcase_add_test(tests, a_run_ends_at_its_limit);
    tcase_add_test(tests, a_stopped_actor_leaves_nothing_behind);
    tcase_add_test(tests, work_takes_its_time_and_comes_back_once);
    tcase_add_test(tests, many_are_done_in_an_order_of_the_seed);
    tcase_add_test(tests, a_crash_ends_one_node_only);
    tcase_add_test(tests, a_crash_inside_an_operation_leaves_a_corpse_without_effect);
    tcase_add_test(tests, a_crash_after_an_operation_keeps_its_effect);
    tcase_add_test(tests, a_wait_on_a_crashing_node_returns_crashed);
    tcase_add_test(tests, an_attachment_outlives_crashes);
    tcase_add_test(tests, a_models_steps_are_counted_and_crashed);
    tcase_add_test(tests, a_real_environment_has_no_simulator);
    tcase_add_test(tests, the_trace_names_time_and_node);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("env_sim", add);
}
