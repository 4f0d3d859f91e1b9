#include <string.h>

#include "base/data_type.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

static struct weir_data_type type_of(const char *text)
{
    struct weir_data_type type;
    ck_assert_int_eq(weir_data_type_parse(weir_text(text), &arena, &type, NULL), 0);
    return type;
}

/* What is read as what: of a struct, its versions up to the one that was written. */
static const struct {
    const char *reader;
    const char *written;
    uint8_t version;
    const char *field; /* that differs; "": the types do; NULL: it is read */
} cases[] = {
    {"i64", "i64", 0, NULL},
    {"i64", "i32", 0, ""},
    {"i64", "u64", 0, ""},
    {"i64", "i64le", 0, ""},
    {"f64", "i64", 0, ""},
    {"text", "struct[a:i64]", 1, ""},
    {"windowed[text]", "windowed[text]", 0, NULL},
    {"windowed[text]", "windowed[i64]", 0, ""},
    {"windowed[text]", "windowed-changelog[text]", 0, ""},
    {"sliced10[text]", "windowed[text]", 0, NULL},
    {"sliced10[text]", "sliced10[i64]", 0, ""},
    {"sliced10", "windowed", 0, NULL},
    {"versioned[i64]", "versioned[i64]", 0, NULL},
    {"versioned[i64]", "versioned[text]", 0, ""},
    {"versioned", "text", 0, NULL},
    {"struct[a:i64,b:text]", "struct[a:i64,b:text]", 1, NULL},
    /* Added with a version of their own, at the end or wherever. */
    {"struct[a:i64,b:text@2]", "struct[a:i64]", 1, NULL},
    {"struct[b:text@2,a:i64]", "struct[a:i64]", 1, NULL},
    {"struct[a:i64,b:text@2,c:i64@3]", "struct[a:i64,b:text@2]", 2, NULL},
    {"struct[a:i64@1]", "struct[a:i64]", 1, NULL},
    {"struct[a:struct[x:i64,y:i64@2]]", "struct[a:struct[x:i64]]", 1, NULL},
    /* Added without one, or with one that was there before. */
    {"struct[a:i64,b:text]", "struct[a:i64]", 1, "b"},
    {"struct[a:i64,b:text@2]", "struct[a:i64]", 2, "b"},
    {"struct[a:struct[x:i64,y:i64]]", "struct[a:struct[x:i64]]", 1, "y"},
    /* Gone, moved, of another type, name or beginning. */
    {"struct[a:i64]", "struct[a:i64,b:text@2]", 2, "b"},
    {"struct[b:i64,a:i64]", "struct[a:i64,b:i64]", 1, "a"},
    {"struct[a:i64,b:f64]", "struct[a:i64,b:i64]", 1, "b"},
    {"struct[a:i64,c:i64]", "struct[a:i64,b:i64]", 1, "b"},
    {"struct[a:i64,b:i64@3]", "struct[a:i64,b:i64@2]", 3, "b"},
    {"struct[a:struct[x:f64]]", "struct[a:struct[x:i64]]", 1, "x"},
    {"struct[a:struct[x:i64]]", "struct[a:i64]", 1, "a"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

START_TEST(a_type_reads_itself_and_what_it_was)
{
    const struct weir_data_type reader = type_of(cases[_i].reader);
    const struct weir_data_type written = type_of(cases[_i].written);
    struct weir_slice field;
    bool is_read = weir_data_type_reads(&reader, &written, cases[_i].version, &field);
    ck_assert_int_eq(is_read, cases[_i].field == NULL);
    bool has_field = !is_read && cases[_i].field[0] != '\0';
    struct weir_slice expected = has_field ? weir_text(cases[_i].field) : weir_null();
    ck_assert_msg(weir_slice_equal(field, expected), "field '%.*s'", (int)field.size,
                  (const char *)field.data);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("data_type");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_type_reads_itself_and_what_it_was, 0, CASES);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/data_type", add);
}
