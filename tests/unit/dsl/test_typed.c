/* Functions that tell their C types (weir/typed.h): the types are held against the serdes of the node
 * before the function runs. That the compiler refuses a wrong pointer within one is tested by
 * tests/house/typed.sh. */
#include <string.h>

#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"
#include "weir/typed.h"

static struct weir_error error;
static struct weir_builder *builder;
static struct weir_topology *topology;
static struct weir_test *test;
static int runs; /* of functions that must not run */

struct total {
    int64_t sum;
    int64_t count;
};
static const struct weir_field total_fields[] = {
    WEIR_FIELD_INT64(struct total, sum),
    WEIR_FIELD_INT64(struct total, count),
};
static const struct weir_struct_type total_type = {"total", sizeof(struct total), 1, total_fields,
                                                   2};
static const struct weir_serde total_serde = WEIR_STRUCT_SERDE(&total_type, struct total);

/* ---- one function of each sort --------------------------------------------------------------- */

WEIR_MAP_VALUES(length, struct weir_slice, struct weir_slice, int64_t)
{
    (void)key;
    runs++;
    *value_out = weir_call_int64(call, (int64_t)value->size);
    return 0;
}

/* A static slice under a serde of numbers: of an origin that nobody knows, but its type is told. */
WEIR_MAP_VALUES(own_slice, struct weir_any, struct weir_any, struct weir_slice)
{
    static const struct weir_slice text = {(const uint8_t *)"own", 3};
    (void)call;
    (void)key;
    (void)value;
    runs++;
    *value_out = &text;
    return 0;
}

WEIR_MAP_VALUES(own_int, struct weir_any, struct weir_any, int32_t)
{
    static const int32_t number = 7;
    (void)call;
    (void)key;
    (void)value;
    runs++;
    *value_out = &number;
    return 0;
}

WEIR_MAP_VALUES(fails, struct weir_any, struct weir_any, int64_t)
{
    (void)key;
    (void)value;
    (void)value_out;
    return weir_call_fail(call, "as it should");
}

WEIR_SELECT_KEY(value_as_key, struct weir_slice, struct weir_slice, struct weir_slice)
{
    (void)call;
    (void)key;
    runs++;
    *key_out = value;
    return 0;
}

WEIR_MAP(swapped, struct weir_slice, int64_t, int64_t, struct weir_slice)
{
    (void)call;
    runs++;
    *key_out = value;
    *value_out = key;
    return 0;
}

WEIR_JOIN(scaled, struct weir_slice, int64_t, double, double)
{
    (void)key;
    runs++;
    *value_out = weir_call_double(call, (double)*value * *table_value);
    return 0;
}

WEIR_REDUCE(larger, int64_t)
{
    (void)call;
    runs++;
    *aggregate_out = *value > *aggregate ? value : aggregate;
    return 0;
}

WEIR_AGGREGATE(add, struct weir_slice, int64_t, struct total)
{
    (void)call;
    (void)key;
    runs++;
    aggregate->sum += *value;
    aggregate->count++;
    return 0;
}

/* ---- topologies of one of them --------------------------------------------------------------- */

static struct weir_stream *in(const struct weir_serde *key, const struct weir_serde *value)
{
    return weir_stream(builder, "in", key, value);
}

static struct weir_stream *joined(const struct weir_serde *value, const struct weir_serde *table,
                                  const struct weir_serde *out)
{
    return weir_join(in(WEIR_STRING, value), weir_table(builder, "table", WEIR_STRING, table, NULL),
                     scaled, NULL, out);
}

static struct weir_stream *reduced(const struct weir_serde *value)
{
    return weir_to_stream(
        weir_reduce(weir_group_by_key(in(WEIR_STRING, value)), larger, NULL, NULL));
}

static struct weir_stream *aggregated(const struct weir_serde *value, const struct weir_serde *out)
{
    return weir_to_stream(
        weir_aggregate(weir_group_by_key(in(WEIR_STRING, value)), NULL, add, NULL, out, NULL));
}

static struct weir_stream *declare(int number)
{
    switch (number) {
    /* wrong */
    case 0:
        return weir_map_values(in(WEIR_STRING, WEIR_STRING), own_slice, NULL, WEIR_INT64);
    case 1:
        return weir_map_values(in(WEIR_STRING, WEIR_STRING), own_int, NULL, WEIR_INT64);
    case 2:
        return weir_map_values(in(WEIR_STRING, WEIR_STRING), own_int, NULL, &total_serde);
    case 3:
        return weir_map_values(in(WEIR_STRING, WEIR_DOUBLE), length, NULL, WEIR_INT64);
    case 4:
        return weir_map_values(in(WEIR_INT32, WEIR_BYTES), length, NULL, WEIR_INT64);
    case 5:
        return weir_map_values(in(WEIR_STRING, WEIR_STRING), length, NULL, WEIR_DOUBLE);
    case 6:
        return weir_select_key(in(WEIR_STRING, WEIR_STRING), value_as_key, NULL, WEIR_INT64);
    case 7:
        return weir_map(in(WEIR_STRING, WEIR_INT64), swapped, NULL, WEIR_STRING, WEIR_INT64);
    case 8:
        return joined(WEIR_INT64, WEIR_INT64, WEIR_DOUBLE);
    case 9:
        return joined(WEIR_INT64, WEIR_DOUBLE, WEIR_INT64);
    case 10:
        return reduced(WEIR_DOUBLE);
    case 11:
        return aggregated(WEIR_INT64, WEIR_INT64);
    case 12:
        return aggregated(&total_serde, &total_serde);
    /* right */
    case 20:
        return weir_map_values(in(WEIR_STRING, WEIR_BYTES), length, NULL, WEIR_INT64);
    case 21:
        return weir_map_values(in(WEIR_INT32, WEIR_DOUBLE), own_slice, NULL, WEIR_STRING);
    case 22:
        return weir_map_values(in(WEIR_STRING, WEIR_INT64), own_int, NULL, WEIR_INT32);
    case 23:
        return weir_select_key(in(WEIR_STRING, WEIR_BYTES), value_as_key, NULL, WEIR_STRING);
    case 24:
        return weir_map(in(WEIR_STRING, WEIR_INT64), swapped, NULL, WEIR_INT64, WEIR_BYTES);
    case 25:
        return joined(WEIR_INT64, WEIR_DOUBLE, WEIR_DOUBLE);
    case 26:
        return reduced(WEIR_INT64);
    default:
        return aggregated(WEIR_INT64, &total_serde);
    }
}

static int run(struct weir_stream *(*declare_one)(int), int number)
{
    runs = 0;
    builder = weir_builder_new();
    weir_to(declare_one(number), "out");
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    test = weir_test_new(topology, NULL, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
    /* Keys and values of 4, 8 and 16 bytes suit every serde here, as long as they are read as such. */
    static const uint8_t bytes[17] = {1};
    struct weir_record record = {.key = weir_slice(bytes, number == 4 || number == 21 ? 4 : 8),
                                 .value = weir_slice(bytes, number == 12 ? 17 : 8),
                                 .timestamp_ms = 1};
    int rc = 0;
    if (number == 8 || number == 9 || number == 25) {
        rc = weir_test_pipe_bytes(test, "table", -1, &record, true);
        ck_ok(rc, NULL);
    }
    rc = weir_test_pipe_bytes(test, "in", -1, &record, true);
    if (rc == 0) rc = weir_test_pipe_bytes(test, "in", -1, &record, true); /* a reducer's first */
    if (rc == 0) rc = weir_test_commit(test);
    return rc;
}

static void finish(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

static const char *const refusals[] = {
    "the function gives a value of type struct weir_slice (16 bytes), and the serde there is int64",
    "the function gives a value of type int32_t (4 bytes), and the serde there is int64 (8 bytes)",
    "the function gives a value of type int32_t (4 bytes), and the serde there is total (16 bytes)",
    "the function takes a value of type struct weir_slice (16 bytes), and the serde there is "
    "double",
    "the function takes a key of type struct weir_slice (16 bytes), and the serde there is int32",
    "the function gives a value of type int64_t (8 bytes), and the serde there is double (8 bytes)",
    "the function gives a key of type struct weir_slice (16 bytes), and the serde there is int64",
    "the function gives a key of type int64_t (8 bytes), and the serde there is string (16 bytes)",
    "the function takes a table's value of type double (8 bytes), and the serde there is int64",
    "the function gives a value of type double (8 bytes), and the serde there is int64 (8 bytes)",
    "the function takes a value of type int64_t (8 bytes), and the serde there is double (8 bytes)",
    "the function gives a value of type struct total (16 bytes), and the serde there is int64",
    "the function takes a value of type int64_t (8 bytes), and the serde there is total (16 bytes)",
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

START_TEST(a_function_of_other_types_does_not_run)
{
    int rc = run(declare, _i);
    ck_assert_msg(rc < 0, "not refused: %s", refusals[_i]);
    (void)weir_test_error(test, &error);
    ck_assert_msg(strstr(error.text, refusals[_i]) != NULL, "%s", error.text);
    ck_assert_int_eq(runs, 0);
    finish();
}
END_TEST

START_TEST(a_function_of_the_types_runs)
{
    int rc = run(declare, _i);
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_assert_msg(rc >= 0, "%s", error.text);
    ck_assert_int_gt(runs, 0);
    struct weir_record record;
    ck_assert_int_eq(weir_test_read(test, "out", &record, NULL), 0);
    finish();
}
END_TEST

static struct weir_stream *failing(int number)
{
    (void)number;
    return weir_map_values(in(WEIR_STRING, WEIR_STRING), fails, NULL, WEIR_INT64);
}

START_TEST(its_own_failure_comes_through)
{
    ck_assert_int_lt(run(failing, 20), 0);
    (void)weir_test_error(test, &error);
    ck_assert_ptr_nonnull(strstr(error.text, "as it should"));
    finish();
}
END_TEST

/* Outside of a job, where no serde is known, such a function is called like any other. */
START_TEST(a_test_can_call_it)
{
    struct weir_call call = {.error = &error};
    const int64_t low = 1, high = 2;
    const void *result = NULL;
    ck_assert_int_eq(larger(&call, &low, &high, &result), 0);
    ck_assert_ptr_eq(result, &high);
    ck_assert_int_eq(larger(NULL, &low, &high, &result), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(weir_call_check_types(NULL, NULL), WEIR_INVALID_ARGUMENT);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("typed");
    tcase_add_loop_test(tests, a_function_of_other_types_does_not_run, 0, REFUSALS);
    tcase_add_loop_test(tests, a_function_of_the_types_runs, 20, 28);
    tcase_add_test(tests, its_own_failure_comes_through);
    tcase_add_test(tests, a_test_can_call_it);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("typed", add_tests);
}
