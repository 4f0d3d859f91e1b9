/**
 * The invariants of rows in the making: each line breaks a field of some that are whole, and the check has
 * to end the program.
 */
#include "operators/rows.h"
#include "tests/support/broken.h"

static struct weir_rows
    whole; /* two rows of three, of records, with old values and keys as bytes */
static struct weir_arena arena;
static const void *objects[3];
static struct weir_slice bytes[3];
static int64_t numbers[3];
static struct weir_headers headers[3];
static const struct weir_source_position source = {"in", 0};

static void set_up(void)
{
    whole = (struct weir_rows){
        .arena = &arena,
        .count = 2,
        .capacity = 3,
        .keys = objects,
        .values = objects,
        .olds = objects,
        .key_bytes = bytes,
        .timestamps = numbers,
        .headers = headers,
        .offsets = numbers,
        .source = &source,
        .has_olds = true,
        .has_key_bytes = true,
        .has_headers = true,
        .has_offsets = true,
    };
}

START_TEST(whole_rows_pass)
{
    weir_rows_check(&whole);
    weir_rows_init(&whole, &arena, true, false);
    weir_rows_check(&whole);
}
END_TEST

BREAKS(failed, whole.failed = true)
BREAKS(no_arena, whole.arena = NULL)
BREAKS(count, whole.count = 4)
BREAKS(no_keys, whole.keys = NULL)
BREAKS(no_values, whole.values = NULL)
BREAKS(no_timestamps, whole.timestamps = NULL)
BREAKS(no_headers, whole.headers = NULL)
BREAKS(no_offsets, whole.offsets = NULL)
BREAKS(no_olds, whole.olds = NULL)
BREAKS(olds_of_nobody, whole.has_olds = false)
BREAKS(no_key_bytes, whole.key_bytes = NULL)
BREAKS(key_bytes_of_nobody, whole.has_key_bytes = false)
BREAKS(columns_of_none, whole.capacity = 0)
BREAKS(source_of_no_row, whole.has_offsets = false)

static void (*const broken[])(void) = {
    failed,          no_arena,         count,   no_keys,        no_values,    no_timestamps,
    no_headers,      no_offsets,       no_olds, olds_of_nobody, no_key_bytes, key_bytes_of_nobody,
    columns_of_none, source_of_no_row,
};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    weir_rows_check(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("checks");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, whole_rows_pass);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("operators checks", add);
}
