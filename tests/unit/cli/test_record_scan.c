/* Reading records by a format: what is taken, what has to wait for more, what is refused. */
#include "cli/record_scan.h"

#include <string.h>

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_error error;
static struct record_format format;
static struct weir_slice input;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    ck_assert_uint_eq(budget.used, 0);
}

static void read_by(const char *format_text, const char *bytes, size_t size)
{
    ck_ok(record_format_parse(format_text, &arena, &format, &error), &error);
    ck_ok(record_scan_check(&format, &error), &error);
    input = weir_slice(bytes, size);
}

static void read_text(const char *format_text, const char *text)
{
    read_by(format_text, text, strlen(text));
}

static int scan(bool is_end, struct record_scanned *scanned_out)
{
    size_t used = 0;
    int rc = record_scan_next(&format, input, is_end, &arena, scanned_out, &used, &error);
    if (rc == 0) input = weir_slice(input.data + used, input.size - used);
    return rc;
}

static void assert_slice(struct weir_slice slice, const char *expected)
{
    ck_assert_msg(weir_slice_equal(slice, weir_text(expected)), "'%.*s' is not '%s'",
                  (int)slice.size, (const char *)slice.data, expected);
}

static struct record_scanned next(void)
{
    struct record_scanned scanned = {0};
    ck_ok(scan(true, &scanned), &error);
    return scanned;
}

static void assert_end(void)
{
    struct record_scanned scanned;
    ck_code(scan(true, &scanned), WEIR_END);
}

START_TEST(lines_are_values_and_the_last_may_lack_its_newline)
{
    read_text("%v\\n", "one\n\nthree");
    struct record_scanned first = next();
    assert_slice(first.value, "one");
    ck_assert(weir_slice_is_null(first.key));
    ck_assert_int_eq(first.partition, -1);
    struct record_scanned second = next();
    assert_slice(second.value, "");
    ck_assert(!weir_slice_is_null(second.value));
    assert_slice(next().value, "three");
    assert_end();
}
END_TEST

START_TEST(a_separator_ends_a_key)
{
    read_text("%k -> %v\\n", "a -> 1\nb -> 2 -> 3\n");
    struct record_scanned first = next();
    assert_slice(first.key, "a");
    assert_slice(first.value, "1");
    struct record_scanned second = next();
    assert_slice(second.key, "b");
    assert_slice(second.value, "2 -> 3");
    assert_end();
}
END_TEST

START_TEST(sizes_come_before_what_they_measure)
{
    read_by("%K{big16}%V{byte}%k%v",
            "\0\x03\x02"
            "keyv\n"
            "\0\0\0",
            11);
    struct record_scanned first = next();
    assert_slice(first.key, "key");
    assert_slice(first.value, "v\n");
    struct record_scanned second = next();
    assert_slice(second.key, "");
    assert_slice(second.value, "");
    assert_end();
    read_text("%V{3} %v\\n", "005 hello\n");
    assert_slice(next().value, "hello");
}
END_TEST

START_TEST(partitions_times_and_headers_are_read)
{
    read_text("%p %d %H %h{%k=%v }%v\\n", "3 1767225600000 2 a=1 b= rest\n");
    struct record_scanned scanned = next();
    ck_assert_int_eq(scanned.partition, 3);
    ck_assert_int_eq(scanned.timestamp_ms, INT64_C(1767225600000));
    ck_assert_uint_eq(scanned.header_count, 2);
    assert_slice(scanned.headers[0].key, "a");
    assert_slice(scanned.headers[0].value, "1");
    assert_slice(scanned.headers[1].key, "b");
    assert_slice(scanned.headers[1].value, "");
    assert_slice(scanned.value, "rest");
}
END_TEST

START_TEST(encoded_texts_are_decoded)
{
    read_text("%k{hex} %v{base64}\\n", "6B65 aGVsbG8=\n 00 aGVsbG8\n");
    struct record_scanned scanned = next();
    assert_slice(scanned.key, "ke");
    assert_slice(scanned.value, "hello");
    read_text("%v{hex}\\n", "6\n");
    struct record_scanned none;
    ck_code(scan(true, &none), WEIR_INVALID_ARGUMENT);
}
END_TEST

/* The same bytes, cut at every place: nothing is taken before it is whole, and then it is the same. */
START_TEST(half_a_record_waits_for_the_rest)
{
    static const char whole[] = "12 ab -> some value\n";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        read_by("%p %k -> %v\\n", whole, size);
        struct record_scanned scanned = {.partition = 99};
        ck_code(scan(false, &scanned), WEIR_END);
        ck_assert_int_eq(scanned.partition, 99);
    }
    read_by("%p %k -> %v\\n", whole, sizeof whole - 1);
    struct record_scanned scanned;
    ck_ok(scan(false, &scanned), &error);
    ck_assert_int_eq(scanned.partition, 12);
    assert_slice(scanned.value, "some value");
    ck_assert_uint_eq(input.size, 0);
}
END_TEST

START_TEST(input_of_another_form_is_refused)
{
    static const struct {
        const char *format;
        const char *text;
    } wrong[] = {
        {"%k,%v\\n", "no comma\n"}, {"%p %v\\n", "x y\n"},      {"%p %v\\n", "-1 y\n"},
        {"a%v\\n", "b\n"},          {"%V{3}%v", "01"},          {"%V{3}%v", "009short"},
        {"%H %v\\n", "99999 x\n"},  {"%v{base64}\\n", "a?b\n"}, {"%p\\n", "99999999999999999999\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        read_text(wrong[i].format, wrong[i].text);
        struct record_scanned scanned = {.partition = 99};
        ck_assert_msg(scan(true, &scanned) == WEIR_INVALID_ARGUMENT, "'%s' was read by '%s'",
                      wrong[i].text, wrong[i].format);
        ck_assert_int_eq(scanned.partition, 99);
    }
}
END_TEST

START_TEST(formats_for_printing_only_are_refused)
{
    static const char *const wrong[] = {
        "",           "%o\\n",        "%k%v\\n", "%h{%k=%v }\\n",
        "%H%h{%k%v}", "%H %h{%k=%v}", "%v%K%k",  "%d{strftime[%F]} %v\\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_ok(record_format_parse(wrong[i], &arena, &format, &error), &error);
        ck_assert_msg(record_scan_check(&format, &error) == WEIR_INVALID_ARGUMENT, "'%s' was taken",
                      wrong[i]);
    }
}
END_TEST

/* Whatever the bytes are, reading stays within them and comes to an end. */
START_TEST(random_bytes_are_read_or_refused)
{
    static const char *const formats[] = {"%v\\n", "%k %v\\n", "%K{big16}%V{byte}%k%v",
                                          "%H{1}%h{%K{1}%k=%v,}%v\\n", "%p%d{hex8}%v{hex}\\x00"};
    struct weir_test_random random = {7};
    char bytes[64];
    for (int round = 0; round < 2000; round++) {
        weir_test_random_fill(&random, bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
            if (bytes[i] & 1) bytes[i] = "0123 =,\n"[bytes[i] >> 1 & 7];
        }
        read_by(formats[round % 5], bytes, sizeof bytes);
        struct record_scanned scanned;
        int count = 0;
        while (scan(true, &scanned) == 0) {
            ck_assert_int_lt(++count, 65);
        }
        weir_arena_reset(&arena);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("record_scan");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, lines_are_values_and_the_last_may_lack_its_newline);
    tcase_add_test(tests, a_separator_ends_a_key);
    tcase_add_test(tests, sizes_come_before_what_they_measure);
    tcase_add_test(tests, partitions_times_and_headers_are_read);
    tcase_add_test(tests, encoded_texts_are_decoded);
    tcase_add_test(tests, half_a_record_waits_for_the_rest);
    tcase_add_test(tests, input_of_another_form_is_refused);
    tcase_add_test(tests, formats_for_printing_only_are_refused);
    tcase_add_test(tests, random_bytes_are_read_or_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record_scan", add);
}
