/* What user functions make for a batch: values of the plain kinds, texts, and the reason of a
 * failure. */
#include "runtime/task/scope.h"

#include <string.h>
#include <wchar.h>

#include "tests/support/support.h"
#include "weir/stream.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_scope scope;
static struct weir_error error;
static struct weir_call call;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    scope = (struct weir_scope){.arena = &arena};
    error = (struct weir_error){0};
    call = (struct weir_call){.scope = &scope, .error = &error};
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    ck_assert_uint_eq(budget.used, 0);
}

/* The object made `back` objects ago is noted with its size and kind. */
static void expect_made(size_t back, const void *object, size_t size, int kind)
{
    const struct weir_made *made = weir_scope_made(&scope, back);
    ck_assert_ptr_nonnull(made);
    ck_assert_ptr_eq(made->object, object);
    ck_assert_uint_eq(made->size, size);
    ck_assert_int_eq(made->kind, kind);
}

START_TEST(a_value_is_an_object_of_its_kind)
{
    const int32_t *small = weir_call_int32(&call, -7);
    const int64_t *large = weir_call_int64(&call, INT64_MIN);
    const double *real = weir_call_double(&call, 0.5);
    const struct weir_slice *slice = weir_call_slice(&call, weir_text("clicks"));
    ck_assert_int_eq(*small, -7);
    ck_assert_int_eq(*large, INT64_MIN);
    ck_assert_double_eq(*real, 0.5);
    ck_assert(weir_slice_equal(*slice, weir_text("clicks")));
    expect_made(3, small, sizeof *small, WEIR_FIELD_KIND_INT32);
    expect_made(2, large, sizeof *large, WEIR_FIELD_KIND_INT64);
    expect_made(1, real, sizeof *real, WEIR_FIELD_KIND_DOUBLE);
    expect_made(0, slice, sizeof *slice, WEIR_FIELD_KIND_SLICE);
    ck_assert_ptr_null(weir_call_slice(&call, (struct weir_slice){0}));
    expect_made(0, slice, sizeof *slice, WEIR_FIELD_KIND_SLICE);
}
END_TEST

/* The last few are noted, up to a bound, and none any more once the batch is over. */
START_TEST(the_last_objects_are_noted)
{
    const int32_t *made[2 * WEIR_SCOPE_MADE];
    ck_assert_ptr_null(weir_scope_made(&scope, 0));
    for (int i = 0; i < 2 * WEIR_SCOPE_MADE; i++) {
        made[i] = weir_call_int32(&call, i);
        for (int back = 0; back <= i && back < WEIR_SCOPE_MADE; back++) {
            expect_made((size_t)back, made[i - back], sizeof *made[0], WEIR_FIELD_KIND_INT32);
        }
        if (i + 1 < WEIR_SCOPE_MADE) ck_assert_ptr_null(weir_scope_made(&scope, (size_t)i + 1));
        ck_assert_ptr_null(weir_scope_made(&scope, WEIR_SCOPE_MADE));
    }
    weir_arena_reset(&arena);
    ck_assert_ptr_null(weir_scope_made(&scope, 0));
    const int64_t *next = weir_call_int64(&call, 1);
    expect_made(0, next, sizeof *next, WEIR_FIELD_KIND_INT64);
    ck_assert_ptr_null(weir_scope_made(&scope, 1));
}
END_TEST

/* A text is a slice with its bytes right behind it and a zero behind those, whether or not it is
 * longer than what is at hand to print it. */
START_TEST(a_text_is_printed_whole)
{
    static char wanted[600];
    for (int length = 0; length < (int)sizeof wanted; length += length < 250 ? 25 : 1) {
        memset(wanted, 'x', (size_t)length);
        wanted[length] = '\0';
        if (length > 0) wanted[length - 1] = '!';
        const struct weir_slice *text = weir_call_printf(&call, "%s", wanted);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(text->size, (size_t)length);
        ck_assert_ptr_eq(text->data, text + 1);
        ck_assert_str_eq((const char *)text->data, wanted);
        expect_made(0, text, sizeof *text, WEIR_FIELD_KIND_SLICE);
        memset(weir_scope_alloc(&scope, 8), 0xff, 8); /* what is made next takes nothing of it */
        ck_assert_str_eq((const char *)text->data, wanted);
    }
    ck_assert_str_eq((const char *)weir_call_printf(&call, "%d of %s", 3, "five")->data,
                     "3 of five");
}
END_TEST

/* Where there is no call, no scope, no format or no memory there is no object, and none is
 * noted. */
START_TEST(without_a_place_there_is_no_object)
{
    const int32_t *last = weir_call_int32(&call, 1);
    ck_assert_ptr_null(weir_call_int32(NULL, 1));
    ck_assert_ptr_null(weir_call_printf(NULL, "x"));
    ck_assert_ptr_null(weir_call_printf(&call, NULL));
    ck_assert_ptr_null(weir_call_printf(&call, "%lc", (wint_t)0x7fffffff)); /* no character */
    ck_assert_ptr_null(weir_scope_alloc(NULL, 8));
    ck_assert_ptr_null(weir_scope_new(NULL, 8, 0));
    ck_assert_ptr_null(weir_scope_bytes(NULL, 8));
    struct weir_call nowhere = {0};
    ck_assert_ptr_null(weir_call_int64(&nowhere, 1));
    ck_assert_ptr_null(weir_call_printf(&nowhere, "x"));
    expect_made(0, last, sizeof *last, WEIR_FIELD_KIND_INT32);
    struct weir_budget none;
    weir_budget_init(&none, "none", &heap, NULL, 1);
    struct weir_arena poor;
    weir_arena_init(&poor, &none, 0);
    struct weir_scope elsewhere = {.arena = &poor};
    nowhere.scope = &elsewhere;
    ck_assert_ptr_null(weir_call_int64(&nowhere, 1));
    ck_assert_ptr_null(weir_call_printf(&nowhere, "x"));
    ck_assert_ptr_null(weir_scope_made(&elsewhere, 0));
    weir_arena_close(&poor);
}
END_TEST

/* What is asked for without a value is zeros, also where a batch before it has left something. */
START_TEST(memory_is_zeroed)
{
    static const uint8_t zeros[64];
    for (int round = 0; round < 3; round++) {
        uint8_t *bytes = weir_scope_alloc(&scope, sizeof zeros);
        ck_assert_mem_eq(bytes, zeros, sizeof zeros);
        memset(bytes, 0xff, sizeof zeros);
        void *object = weir_scope_new(&scope, sizeof zeros, 77);
        ck_assert_mem_eq(object, zeros, sizeof zeros);
        expect_made(0, object, sizeof zeros, 77);
        memset(object, 0xff, sizeof zeros);
        weir_arena_reset(&arena);
    }
}
END_TEST

/* The reason is the error's text, cut where that ends; without words the code alone is the
 * answer. */
START_TEST(a_failure_has_its_reason)
{
    static char text[2 * WEIR_ERROR_TEXT_SIZE];
    ck_code(weir_call_fail(&call, "amount %d is negative", -3), WEIR_USER_FUNCTION);
    ck_assert_int_eq(error.code, WEIR_USER_FUNCTION);
    ck_assert_str_eq(error.text, "amount -3 is negative");
    ck_code(weir_call_fail(&call, NULL), WEIR_USER_FUNCTION);
    ck_assert_str_eq(error.text, "amount -3 is negative");
    ck_code(weir_call_fail(NULL, "nobody hears it"), WEIR_USER_FUNCTION);
    memset(text, 'y', sizeof text - 1);
    ck_code(weir_call_fail(&call, "%s", text), WEIR_USER_FUNCTION);
    ck_assert_uint_eq(strlen(error.text), WEIR_ERROR_TEXT_SIZE - 1);
    ck_assert_int_eq(error.text[0], 'y');
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("scope");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_value_is_an_object_of_its_kind);
    tcase_add_test(tests, the_last_objects_are_noted);
    tcase_add_test(tests, a_text_is_printed_whole);
    tcase_add_test(tests, without_a_place_there_is_no_object);
    tcase_add_test(tests, memory_is_zeroed);
    tcase_add_test(tests, a_failure_has_its_reason);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("runtime scope", add);
}
