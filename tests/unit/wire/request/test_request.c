/* What a fetch gives is counted, and a request that is waited for comes back once. */
#include <string.h>

#include "base/env/sim/sim.h"
#include "base/error.h"
#include "tests/support/support.h"
#include "wire/request/batches.h"
#include "wire/request/request.h"

static struct weir_sim *sim;
static struct weir_env *env;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
}

static void tear_down(void)
{
    weir_sim_free(sim);
}

static struct weir_shared *bytes_of(const char *text)
{
    struct weir_shared *bytes = weir_shared_new(env->budget, strlen(text));
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes->data, text, strlen(text));
    bytes->size = strlen(text);
    return bytes;
}

/* Two parts of one buffer and one of another, which are all that hold them. */
static struct weir_log_batches three_parts(void)
{
    struct weir_shared *first = bytes_of("onetwo");
    struct weir_shared *second = bytes_of("three");
    return (struct weir_log_batches){
        .parts = {{first, 0, 3}, {weir_shared_ref(first), 3, 3}, {second, 0, 5}},
        .part_count = 3,
    };
}

/* The last holder gives the memory back, and letting go twice is letting go once. */
START_TEST(batches_hold_their_bytes_until_they_are_let_go)
{
    size_t before = env->budget->used;
    struct weir_log_batches batches = three_parts();
    ck_assert(weir_slice_equal(weir_log_part_bytes(&batches.parts[1]), weir_text("two")));
    weir_log_batches_release(&batches);
    ck_assert_uint_eq(batches.part_count, 0);
    ck_assert_uint_eq(env->budget->used, before);
    weir_log_batches_release(&batches);
    ck_assert_uint_eq(env->budget->used, before);
}
END_TEST

/* Who has moved them into his own holds them alone: what they came from may be used again. */
START_TEST(batches_that_were_moved_have_one_holder)
{
    size_t before = env->budget->used;
    struct weir_log_batches fetched = three_parts();
    struct weir_log_batches mine = {.part_count = 0};
    weir_log_batches_move(&mine, &fetched);
    ck_assert_uint_eq(fetched.part_count, 0);
    weir_log_batches_release(&fetched);
    ck_assert_uint_eq(mine.part_count, 3);
    ck_assert(weir_slice_equal(weir_log_part_bytes(&mine.parts[0]), weir_text("one")));
    ck_assert(weir_slice_equal(weir_log_part_bytes(&mine.parts[2]), weir_text("three")));
    weir_log_batches_release(&mine);
    ck_assert_uint_eq(env->budget->used, before);
}
END_TEST

/* A part's buffer that somebody wants longer outlives the batches, and the others do not. */
START_TEST(a_buffer_may_be_held_longer_than_its_batches)
{
    size_t before = env->budget->used;
    struct weir_log_batches batches = three_parts();
    struct weir_shared *kept = weir_shared_ref(batches.parts[2].bytes);
    weir_log_batches_release(&batches);
    ck_assert_mem_eq(kept->data, "three", 5);
    ck_assert_uint_gt(env->budget->used, before);
    weir_shared_unref(kept);
    ck_assert_uint_eq(env->budget->used, before);
}
END_TEST

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

static void refuse(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    request->rc = WEIR_NO_SPACE;
    weir_error_set(&request->error, WEIR_NO_SPACE, "the disk is full");
    request->done(request);
}

/* The waiter gets the code and the text of whoever answers, on another actor. */
START_TEST(a_request_is_waited_for_until_it_is_answered)
{
    struct weir_error error = {0};
    struct weir_actor *answerer = NULL;
    const struct weir_actor_options options = {.name = "answerer", .run_once = rest};
    ck_ok(weir_actor_start(env, &options, &answerer, &error), &error);
    struct weir_request request = {.message.handle = refuse};
    ck_ok(weir_request_wait_begin(env, &request, &error), &error);
    weir_actor_post(answerer, &request.message);
    ck_assert_int_eq(weir_request_wait(env, &request, &error), WEIR_NO_SPACE);
    ck_assert_str_eq(error.text, "the disk is full");
    weir_actor_stop(answerer);
}
END_TEST

static struct weir_error refusal;

static void try_to_wait(struct weir_message *message)
{
    struct weir_request *request = (struct weir_request *)message;
    request->rc = weir_request_wait_begin(env, request, &refusal);
}

/* An actor does not wait: the request stays as it was, and is not to be sent. */
START_TEST(an_actor_is_refused_to_wait)
{
    struct weir_error error = {0};
    struct weir_actor *actor = NULL;
    const struct weir_actor_options options = {.name = "actor", .run_once = rest};
    ck_ok(weir_actor_start(env, &options, &actor, &error), &error);
    struct weir_request request = {.message.handle = try_to_wait};
    weir_actor_post(actor, &request.message);
    weir_sim_advance_ms(sim, 1);
    ck_assert_int_eq(request.rc, WEIR_WRONG_THREAD);
    ck_assert_ptr_null(request.done);
    weir_actor_stop(actor);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("request");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, batches_hold_their_bytes_until_they_are_let_go);
    tcase_add_test(tests, batches_that_were_moved_have_one_holder);
    tcase_add_test(tests, a_buffer_may_be_held_longer_than_its_batches);
    tcase_add_test(tests, a_request_is_waited_for_until_it_is_answered);
    tcase_add_test(tests, an_actor_is_refused_to_wait);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("request", add);
}
