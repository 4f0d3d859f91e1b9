#include "broker/engine/serving.h"

#include "base/env/sim/sim.h"
#include "tests/support/support.h"

/* A listener on an actor of its own, in an environment whose waits can be made to fail. */
struct fixture {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_env_ops ops;
    struct weir_serving serving;
    struct weir_serving_listener listener;
    struct weir_actor *actor;
    int told;
};

static struct fixture fixture;

static int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

static void hear_closing(struct weir_message *message)
{
    (void)message;
    fixture.told++;
    weir_serving_release(&fixture.serving);
}

static int refuse_to_wait(struct weir_env *env, bool (*is_done)(void *context), void *context,
                          struct weir_mono deadline)
{
    (void)env, (void)is_done, (void)context, (void)deadline;
    return WEIR_INVALID_ARGUMENT;
}

static void begin(void)
{
    struct weir_error error = {0};
    fixture = (struct fixture){.sim = weir_sim_new(&(struct weir_sim_options){.seed = 1})};
    fixture.env = weir_sim_node(fixture.sim, 0);
    fixture.ops = *fixture.env->ops;
    weir_serving_init(&fixture.serving, fixture.env, "/data", "/data/log");
    fixture.listener = (struct weir_serving_listener){
        .actor = &fixture.actor, .closing.handle = hear_closing, .offline.handle = hear_closing};
    weir_serving_listen(&fixture.serving, &fixture.listener);
    ck_ok(weir_actor_start(
              fixture.env,
              &(struct weir_actor_options){.name = "listener", .run_once = nothing_to_do},
              &fixture.actor, &error),
          &error);
}

/* A close that could not wait leaves the log open; the next one waits for the same end. */
START_TEST(a_second_drain_tells_nobody_again)
{
    struct weir_error error = {0};
    begin();
    const struct weir_env_ops *ops = fixture.env->ops;
    weir_serving_hold(&fixture.serving); /* a request */
    fixture.ops.wait = refuse_to_wait;
    fixture.env->ops = &fixture.ops;
    ck_assert_int_eq(weir_serving_drain(&fixture.serving, &error), WEIR_INVALID_ARGUMENT);
    fixture.env->ops = ops;
    weir_sim_advance_ms(fixture.sim, 1);
    ck_assert_int_eq(fixture.told, 1);
    weir_serving_release(&fixture.serving);
    ck_ok(weir_serving_drain(&fixture.serving, &error), &error);
    weir_sim_advance_ms(fixture.sim, 1);
    ck_assert_int_eq(fixture.told, 1);
    weir_actor_stop(fixture.actor);
    weir_sim_free(fixture.sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("serving");
    tcase_add_test(tests, a_second_drain_tells_nobody_again);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("serving", add);
}
