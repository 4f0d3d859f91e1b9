/* Formats: each verb and modifier prints what rpk's help says, and mistakes are named. */
#include "cli/record_format.h"

#include <string.h>

#include "cli/record_json.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_buffer text;
static struct weir_error error;
static const struct weir_data_type *key_type; /* what the topic says */
static const struct weir_data_type *value_type;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    weir_buffer_init(&text, &budget, 0);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    weir_buffer_close(&text);
    weir_arena_close(&arena);
    ck_assert_uint_eq(budget.used, 0);
}

/* One record with something to ask about in every field. */
static void assert_prints(const char *format_text, const void *expected, size_t size)
{
    struct weir_header headers[] = {{weir_text("a"), weir_text("1")},
                                    {weir_text("bb"), weir_null()}};
    struct weir_record record = {
        .key = weir_text("key"),
        .value = weir_text("v\xff"),
        .timestamp_ms = INT64_C(1767323045007), /* 2026-01-02T03:04:05.007Z */
        .offset = 258,
        .headers = headers,
        .header_count = 2,
    };
    struct weir_batch_header batch = {
        .attributes = WEIR_CODEC_GZIP | WEIR_BATCH_LOG_APPEND_TIME,
        .leader_epoch = 7,
        .producer_id = 42,
        .producer_epoch = 3,
    };
    struct record_shown shown = {
        .topic = "orders",
        .partition = 2,
        .record = &record,
        .batch = &batch,
        .log_start_offset = 1,
        .last_stable_offset = 299,
        .high_watermark = 300,
        .number = 4,
        .key_type = key_type,
        .value_type = value_type,
    };
    struct record_format format;
    ck_ok(record_format_parse(format_text, &arena, &format, &error), &error);
    weir_buffer_reset(&text);
    record_format_print(&format, &shown, &text);
    ck_assert_msg(text.size == size && memcmp(text.data, expected, size) == 0,
                  "'%s' gives '%.*s', not '%.*s'", format_text, (int)text.size, (char *)text.data,
                  (int)size, (const char *)expected);
}

static void assert_text(const char *format_text, const char *expected)
{
    assert_prints(format_text, expected, strlen(expected));
}

/* Every verb without a modifier. */
START_TEST(verbs_print_their_field)
{
    assert_text("%t %p %o %k", "orders 2 258 key");
    assert_text("%T %K %V %H", "6 3 2 2");
    assert_text("%e %x %y %i", "7 42 3 4");
    assert_text("%[ %| %]", "1 299 300");
    assert_text("%d", "1767323045007");
    assert_text("plain", "plain");
}
END_TEST

START_TEST(escapes_print_their_byte)
{
    assert_text("%%|%{%}|\\t\\n\\r\\\\\\x41", "%|{}|\t\n\r\\A");
    assert_prints("a\\x00b", "a\0b", 3);
}
END_TEST

START_TEST(texts_take_encodings)
{
    assert_text("%k{hex} %v{hex}", "6b6579 76ff");
    assert_text("%k{base64} %v{base64} %v{base64raw}", "a2V5 dv8= dv8");
    assert_prints("%v", "v\xff", 2);
}
END_TEST

/* {} is what the topic says, and the bytes as they are where it says nothing; without braces nobody is asked. */
START_TEST(braces_without_a_word_take_the_topics_type)
{
    static const struct weir_data_type number = {.kind = WEIR_DATA_UNSIGNED, .width = 2};
    struct record_format format;
    assert_prints("%k{} %v{}", "key v\xff", 6);
    key_type = &number;
    value_type = &number;
    assert_prints("%k{} %v{} %v", "?6b6579 30463 v\xff", 16);
    key_type = NULL;
    value_type = NULL;
    ck_ok(record_format_parse("%v{}", &arena, &format, &error), &error);
    ck_assert(format.asks_topic);
    ck_ok(record_format_parse("%v %k{hex}", &arena, &format, &error), &error);
    ck_assert(!format.asks_topic);
    ck_code(record_format_parse("%t{}", &arena, &format, &error), WEIR_INVALID_ARGUMENT);
    ck_code(record_format_parse("%h{%v{}}", &arena, &format, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "only a record's key and value"));
}
END_TEST

/* Numbers are cut to their width, as rpk's are. */
START_TEST(numbers_take_widths)
{
    assert_text("%o{ascii} %o{hex64} %o{hex32} %o{hex16} %o{hex8} %o{hex4} %o{bool}",
                "258 0000000000000102 00000102 0102 02 2 true");
    assert_prints("%o{big16}%o{big32}", "\x01\x02\0\0\x01\x02", 6);
    assert_prints("%o{little16}%o{byte}%o{big8}", "\x02\x01\x02\x02", 4);
    assert_prints("%o{big64}", "\0\0\0\0\0\0\x01\x02", 8);
}
END_TEST

START_TEST(times_take_layouts)
{
    assert_text("%d{strftime[%F %T]}", "2026-01-02 03:04:05");
    assert_text("%d{strftime# [%F] #}", " [2026-01-02] ");
    assert_text("%d{go[2006-01-02T15:04:05.000Z07:00]}", "2026-01-02T03:04:05.007Z");
    assert_text("%d{go[Mon Jan 02 06]}", "Fri Jan 02 26");
    assert_text("%d{hex64}", "0000019b7ca98c8f");
}
END_TEST

START_TEST(attributes_take_their_name)
{
    assert_text("%a{compression} %a{compression;ascii} %a{compression;hex8}", "gzip 1 01");
    assert_text("%a{timestamp-type} %a{transactional-bit} %a{control-bit;bool}", "1 0 false");
}
END_TEST

/* The braces of %h hold a format of their own; a null value prints nothing. */
START_TEST(headers_are_printed_each)
{
    assert_text("%h{%k=%v;}", "a=1;bb=;");
    assert_text("%h{ %k{hex}:%V}", " 61:1 6262:0");
    assert_text("%h{%{%k%}}", "{a}{bb}");
}
END_TEST

START_TEST(mistakes_are_named_with_their_place)
{
    static const char *const wrong[] = {
        "%",
        "%z",
        "%v{",
        "%v{hexx}",
        "%o{hex}",
        "%h",
        "%h{%o}",
        "%a",
        "%a{nothing}",
        "%d{strftime[]}",
        "%d{weekday}",
        "\\q",
        "\\x4",
        "\\",
        "%v{unpack[<i]}",
        "%h{%k",
        "%a{compression;x}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct record_format format = {.count = 99};
        ck_assert_msg(record_format_parse(wrong[i], &arena, &format, &error) ==
                          WEIR_INVALID_ARGUMENT,
                      "'%s' was taken", wrong[i]);
        ck_assert_uint_eq(format.count, 99);
        ck_assert_ptr_nonnull(strstr(error.text, "at character"));
    }
}
END_TEST

/* JSON goes straight to stdout; a record that there is no memory for is told, whichever part of it was the
 * last: one that is of its topic's type, one that is not, keys and values. */
START_TEST(json_without_memory_is_told)
{
    static const struct {
        const char *key_type, *value_type;
    } cases[] = {{"text", NULL}, {"i64", NULL}, {NULL, "text"}, {NULL, "i64"}};
    struct weir_data_type types[2];
    const char *names[2] = {cases[_i].key_type, cases[_i].value_type};
    for (size_t i = 0; i < 2; i++) {
        if (names[i] == NULL) continue;
        ck_ok(weir_data_type_parse(weir_text(names[i]), &arena, &types[i], &error), &error);
    }
    const struct weir_record record = {.key = weir_text("key"), .value = weir_text("value")};
    const struct weir_batch_header batch = {0};
    const struct record_shown shown = {
        .topic = "orders",
        .record = &record,
        .batch = &batch,
        .key_type = names[0] != NULL ? &types[0] : NULL,
        .value_type = names[1] != NULL ? &types[1] : NULL,
    };
    const struct record_json_options options = {.is_compact = true, .room = &text};
    ck_assert_int_eq(record_json_print(&shown, &options), 0);
    weir_buffer_close(&text); /* the next one needs memory again */
    heap.fail_at = 1;
    ck_assert_int_eq(record_json_print(&shown, &options), WEIR_NO_MEMORY);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("record_format");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, verbs_print_their_field);
    tcase_add_test(tests, escapes_print_their_byte);
    tcase_add_test(tests, texts_take_encodings);
    tcase_add_test(tests, braces_without_a_word_take_the_topics_type);
    tcase_add_test(tests, numbers_take_widths);
    tcase_add_test(tests, times_take_layouts);
    tcase_add_test(tests, attributes_take_their_name);
    tcase_add_test(tests, headers_are_printed_each);
    tcase_add_test(tests, mistakes_are_named_with_their_place);
    tcase_add_loop_test(tests, json_without_memory_is_told, 0, 4);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record_format", add);
}
