#include <stdio.h>
#include <string.h>

#include "cli/typed.h"
#include "tests/support/support.h"
#include "weir/serde.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_buffer shown;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    weir_buffer_init(&shown, &budget, 0);
}

static void tear_down(void)
{
    weir_buffer_close(&shown);
    weir_arena_close(&arena);
}

static void expect(const char *type, const void *bytes, size_t size, const char *text)
{
    struct weir_data_type typed;
    ck_ok(weir_data_type_parse(weir_text(type), &arena, &typed, &error), &error);
    weir_buffer_reset(&shown);
    typed_print(&typed, weir_slice(bytes, size), &shown);
    weir_buffer_append(&shown, "", 1);
    ck_assert_str_eq((const char *)shown.data, text);
}

/* Numbers are shown in both orders of bytes, and what has another size is not guessed at. */
START_TEST(numbers_are_shown_by_their_type)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    expect("i64", bytes, 8, "-2");
    expect("u64", bytes, 8, "18446744073709551614");
    expect("i32le", bytes + 4, 4, "-16777217");
    expect("u16", bytes + 6, 2, "65534");
    expect("u16le", bytes + 6, 2, "65279");
    expect("i8", bytes + 7, 1, "-2");
    expect("f64", "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8, "0.1");
    expect("f64le", "\x9a\x99\x99\x99\x99\x99\xb9\x3f", 8, "0.1");
    expect("f32", "\x3d\xcc\xcc\xcd", 4, "0.1");
    expect("i64", bytes, 7, "?ffffffffffffff");
    expect("i64", NULL, 0, "null");
    expect("i64", "", 0, "?");
}
END_TEST

/* What is read is shown as the same text; what does not fit is refused. */
START_TEST(numbers_are_read_as_they_are_shown)
{
    static const char *const good[][2] = {
        {"i64", "-9223372036854775808"},
        {"u64", "18446744073709551615"},
        {"i8le", "-128"},
        {"u32le", "4294967295"},
        {"f64", "-1.5e-300"},
        {"f32", "3.25"},
        {"f64", "inf"},
    };
    static const char *const bad[][2] = {{"i64", "9223372036854775808"},
                                         {"u8", "256"},
                                         {"i8", "128"},
                                         {"u64", "-1"},
                                         {"i32", ""},
                                         {"i32", " 1"},
                                         {"i32", "1 "},
                                         {"i32", "1.5"},
                                         {"f64", "x"}};
    uint8_t bytes[TYPED_NUMBER_SIZE_MAX];
    struct weir_data_type typed;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_ok(weir_data_type_parse(weir_text(good[i][0]), &arena, &typed, &error), &error);
        ck_assert_int_eq(typed_read(&typed, weir_text(good[i][1]), bytes), 0);
        expect(good[i][0], bytes, typed.width, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_ok(weir_data_type_parse(weir_text(bad[i][0]), &arena, &typed, &error), &error);
        ck_assert_msg(typed_read(&typed, weir_text(bad[i][1]), bytes) == WEIR_INVALID_ARGUMENT,
                      "%s as %s", bad[i][1], bad[i][0]);
    }
}
END_TEST

struct inner {
    double ratio;
    int32_t rank;
};
struct outer {
    bool is_new;
    int32_t small;
    int64_t large;
    char name[8];
    struct weir_slice note;
    struct inner inner;
};
static const struct weir_field inner_fields[] = {WEIR_FIELD_DOUBLE(struct inner, ratio),
                                                 WEIR_FIELD_INT32(struct inner, rank)};
static const struct weir_struct_type inner_type = {"inner", sizeof(struct inner), 1, inner_fields,
                                                   2};
static const struct weir_field outer_fields[] = {
    WEIR_FIELD_BOOL(struct outer, is_new), WEIR_FIELD_INT32(struct outer, small),
    WEIR_FIELD_INT64(struct outer, large), WEIR_FIELD_TEXT(struct outer, name),
    WEIR_FIELD_SLICE(struct outer, note),  WEIR_FIELD_STRUCT(struct outer, inner, &inner_type),
};
static const struct weir_struct_type outer_type = {"outer", sizeof(struct outer), 1, outer_fields,
                                                   6};
static const struct weir_serde outer_serde = WEIR_STRUCT_SERDE(&outer_type, struct outer);
static const char OUTER[] = "struct[is_new:bool,small:i32,large:i64,name:text,note:slice,"
                            "inner:struct[ratio:f64,rank:i32]]";

/* What the serde writes is shown field by field, and cut or long bytes are not. */
START_TEST(what_the_serde_writes_is_shown)
{
    uint8_t bytes[128];
    struct outer object = {true, -3, 258, "a\"b", weir_text("x\ny"), {0.5, 7}};
    int64_t size = weir_serialize(&outer_serde, &object, bytes, sizeof bytes, &error);
    ck_assert_int_gt(size, 0);
    expect(OUTER, bytes, (size_t)size,
           "{\"is_new\":true,\"small\":-3,\"large\":258,\"name\":\"a\\\"b\",\"note\":\"x\\ny\","
           "\"inner\":{\"ratio\":0.5,\"rank\":7}}");
    object.note = weir_null();
    size = weir_serialize(&outer_serde, &object, bytes, sizeof bytes, &error);
    expect("struct[is_new:bool,small:i32]", bytes, 6, "{\"is_new\":true,\"small\":-3}");
    expect(OUTER, bytes, 6, "?0101fffffffd"); /* only @N says that older ones end there */
    expect(OUTER, bytes, 5, "?0101ffffff");
    expect("struct[is_new:bool]", bytes, 6, "?0101fffffffd");
    expect(OUTER, "\0\1", 2, "?0001"); /* there is no version 0 */
}
END_TEST

/* A windowed key is shown with its window's start, as it is in a topic and as it is in a changelog. */
START_TEST(windowed_keys_are_shown_with_their_start)
{
    static const char key[] = "rome\0\0\x01\x9c\xad\xfd\x89\0\0\0\0\0"; /* 2026-03-02T10:00:00Z */
    expect("windowed", key, 12, "rome@2026-03-02T10:00:00Z");
    expect("windowed-changelog", key, 16, "rome@2026-03-02T10:00:00Z");
    expect("windowed", "\0\0\0\0\0\0\x03\xe9", 8, "@1970-01-01T00:00:01.001Z");
    expect("windowed", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "?ffffffffffffffff");
    expect("windowed", "short", 5, "?73686f7274");
    expect("windowed-changelog", key, 12, "?726f6d650000019cadfd8900");
}
END_TEST

/* What is not well formed is refused where it is wrong. */
START_TEST(wrong_types_are_refused)
{
    static const char *const bad[] = {"struct[",
                                      "struct[]",
                                      "struct[a]",
                                      "struct[a:]",
                                      "struct[:i32]",
                                      "struct[a:i16]",
                                      "struct[a:i32",
                                      "struct[a:i32]x",
                                      "struct[a:i32,]",
                                      "struct[a:struct[b:i32]",
                                      "struct[a:i32le]",
                                      "struct[a:i32@0]",
                                      "struct[a:i32@256]",
                                      "struct[a:i32@]",
                                      "windowed[",
                                      "windowed[]",
                                      "windowed[i6]",
                                      "windowed[windowed]",
                                      "windowed[struct[a:i32]",
                                      "windowed-changelog[i64"};
    struct weir_data_type typed = {.width = 77};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(weir_data_type_parse(weir_text(bad[i]), &arena, &typed, &error) ==
                          WEIR_INVALID_ARGUMENT,
                      "'%s'", bad[i]);
        ck_assert_int_eq(weir_data_type_parse(weir_text(bad[i]), NULL, NULL, NULL),
                         WEIR_INVALID_ARGUMENT);
    }
    static const char *const unknown[] = {"",     "i6",      "i64x",      "slice",
                                          "bool", "structs", "windowedle"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        ck_assert_msg(weir_data_type_parse(weir_text(unknown[i]), &arena, &typed, &error) ==
                          WEIR_NOT_FOUND,
                      "'%s'", unknown[i]);
    }
    ck_assert_uint_eq(typed.width, 77);
}
END_TEST

/* A text is shown by any client, and its fields become an object's: both have to be possible. */
START_TEST(a_type_can_be_shown)
{
    static const char *const bad[][2] = {
        {"struct[a\nb:i64]", "no control characters: byte 9 is 0x0a"},
        {"struct[\x01:i64]", "no control characters: byte 8 is 0x01"},
        {"struct[a\x7f:i64]", "no control characters: byte 9 is 0x7f"},
        {"struct[a\xc2\x85:i64]", "no control characters: byte 9 is 0xc2"},
        {"struct[\xff:i64]", "is UTF-8: byte 8 is 0xff"},
        {"struct[\xc3:i64]", "is UTF-8: byte 8 is 0xc3"},
        {"windowed[struct[\xed\xa0\x80:i64]]", "is UTF-8: byte 17 is 0xed"},
        {"i64\n", "no control characters: byte 4 is 0x0a"},
        {"\xc0\x80", "is UTF-8: byte 1 is 0xc0"},
        {"struct[a:i64,a:i64]", "another field of this name before the one at 'a:i64]'"},
        {"struct[a:i64,b:struct[x:i32,x:i64]]",
         "another field of this name before the one at 'x:i64]]'"},
        {"struct[b:struct[x:i32,y:i32],c:text,b:i32@2]", "at 'b:i32@2]'"},
    };
    static const char *const good[] = {"struct[größe:i64,\xe2\x82\xac:f64]",
                                       "struct[a:struct[a:i32,b:i32],b:i64]",
                                       "struct[ab:i32,b:i64,a:i64,abc:text]"};
    struct weir_data_type typed;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_code(weir_data_type_parse(weir_text(bad[i][0]), NULL, NULL, &error),
                WEIR_INVALID_ARGUMENT);
        ck_code(weir_data_type_parse(weir_text(bad[i][0]), &arena, &typed, &error),
                WEIR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(error.text, bad[i][1]) != NULL, "%s", error.text);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_ok(weir_data_type_parse(weir_text(good[i]), &arena, &typed, &error), &error);
    }
    /* What is quoted is cut between characters. */
    ck_code(
        weir_data_type_parse(weir_text("struct[xäöüäöüäöüäöüäöüäöüäöüäöü]"), NULL, NULL, &error),
        WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "at 'xäöüäöüäöüäöüäöüäöüä'"));
}
END_TEST

/* What is only checked needs no memory, however many structs lie side by side; what is too deep or too long
 * is refused. */
START_TEST(a_type_is_checked_without_memory)
{
    char text[WEIR_DATA_TYPE_TEXT_MAX + 64] = "struct[";
    for (int i = 0; strlen(text) < WEIR_DATA_TYPE_TEXT_MAX - 40; i++) {
        (void)snprintf(text + strlen(text), 64, "a%d:struct[b:i32,c:text],", i);
    }
    strcat(text, "z:i32]");
    struct weir_data_type typed;
    size_t used = budget.used;
    ck_assert_int_eq(weir_data_type_parse(weir_text(text), NULL, NULL, &error), 0);
    ck_assert_uint_eq(budget.used, used);
    ck_ok(weir_data_type_parse(weir_text(text), &arena, &typed, &error), &error);
    ck_assert_uint_gt(typed.field_count, 100);
    ck_assert_uint_eq(typed.fields[0].field_count, 2);
    ck_assert(weir_slice_equal(typed.fields[typed.field_count - 1].name, weir_text("z")));
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "struct[", 7);
    ck_code(weir_data_type_parse(weir_text(text), NULL, NULL, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "at most 4096"));
    text[0] = '\0';
    for (int i = 0; i < 9; i++)
        strcat(text, i == 0 ? "struct[" : "a:struct[");
    ck_code(weir_data_type_parse(weir_text(text), NULL, NULL, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "too deep"));
}
END_TEST

static void expect_json(const char *type, const void *bytes, size_t size, const char *text)
{
    struct weir_data_type typed;
    ck_ok(weir_data_type_parse(weir_text(type), &arena, &typed, &error), &error);
    weir_buffer_reset(&shown);
    bool fits = typed_print_json(&typed, weir_slice(bytes, size), &shown);
    weir_buffer_append(&shown, "", 1);
    ck_assert_msg(fits == (text[0] != '\0'), "%s: '%s'", type, (const char *)shown.data);
    ck_assert_str_eq((const char *)shown.data, text);
}

/* JSON has numbers in full, and words for those it has not; what does not fit leaves nothing. */
START_TEST(values_are_shown_as_json)
{
    expect_json("i64", "\x80\0\0\0\0\0\0\0", 8, "-9223372036854775808");
    expect_json("u64", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "18446744073709551615");
    expect_json("f64", "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8, "0.1");
    expect_json("f64", "\x7f\xf8\0\0\0\0\0\0", 8, "\"NaN\"");
    expect_json("f64", "\x7f\xf0\0\0\0\0\0\0", 8, "\"Infinity\"");
    expect_json("f32", "\xff\x80\0\0", 4, "\"-Infinity\"");
    expect_json("text", "a\"\n\xff", 4, "\"a\\\"\\n\\ufffd\"");
    expect_json("text", "", 0, "\"\"");
    expect_json("text", NULL, 0, "null");
    expect_json("struct[a:i32]", NULL, 0, "null");
    expect_json("struct[a:f64]", "\1\x7f\xf8\0\0\0\0\0\0", 9, "{\"a\":\"NaN\"}");
    expect_json("i64", "1234567", 7, "");
    expect_json("struct[a:i32,b:i32]", "\1\0\0\0\1\0", 6, "");
    expect_json("windowed", "short", 5, "");
    expect("text", "as it is", 8, "as it is");
    expect("f64", "\x7f\xf0\0\0\0\0\0\0", 8, "inf"); /* as `weir produce` reads it */
}
END_TEST

struct pair {
    bool a;
    int64_t b;
};
static const struct weir_field pair_fields[] = {WEIR_FIELD_BOOL(struct pair, a),
                                                WEIR_FIELD_INT64(struct pair, b)};
static const struct weir_struct_type pair_type = {"pair", sizeof(struct pair), 1, pair_fields, 2};
static const struct weir_serde pair_serde = WEIR_STRUCT_SERDE(&pair_type, struct pair);

/* Cut anywhere, at the end of a field too, the bytes are refused as the serde refuses them. */
START_TEST(what_the_serde_refuses_as_too_short_does_not_fit)
{
    static const uint8_t bytes[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 2};
    struct pair object;
    for (size_t size = 0; size < sizeof bytes; size++) {
        ck_code(weir_deserialize(&pair_serde, weir_slice(bytes, size), &object, &error),
                WEIR_SERDE);
        expect_json("struct[a:bool,b:i64]", bytes, size, "");
    }
    expect_json("struct[a:bool,b:i64]", bytes, sizeof bytes, "{\"a\":true,\"b\":2}");
    expect("struct[a:bool,b:i64]", bytes, 2, "?0101");
    expect("struct[a:i64]", bytes, 1, "?01");
}
END_TEST

/* A field that came later is not looked for in older bytes, in a nested struct neither. */
START_TEST(older_versions_lack_newer_fields)
{
    static const char type[] = "struct[a:struct[b:i32,c:i32@2],d:i32,e:text@3]";
    expect(type, "\1\0\0\0\1\0\0\0\2", 9, "{\"a\":{\"b\":1},\"d\":2}");
    expect(type, "\2\0\0\0\1\0\0\0\2\0\0\0\3", 13, "{\"a\":{\"b\":1,\"c\":2},\"d\":3}");
    expect(type, "\3\0\0\0\1\0\0\0\2\0\0\0\3\1x", 15,
           "{\"a\":{\"b\":1,\"c\":2},\"d\":3,\"e\":\"x\"}");
    expect(type, "\1\0\0\0\1\0\0\0\2\1", 10, "?01000000010000000201");
    expect(type, "\2\0\0\0\1\0\0\0\2", 9, "?020000000100000002"); /* too short for a version 2 */
    expect("struct[a:i32,b:i32@2]", "\1\0\0\0\1", 5, "{\"a\":1}");
}
END_TEST

/* A windowed key is of what its type says, and text where it says nothing. */
START_TEST(windowed_keys_are_of_any_type)
{
    static const char key[] =
        "\0\0\0\7\0\0\x01\x9c\xad\xfd\x89\0\0\0\0\0"; /* 2026-03-02T10:00:00Z */
    expect("windowed[i32]", key, 12, "7@2026-03-02T10:00:00Z");
    expect("windowed-changelog[i32]", key, 16, "7@2026-03-02T10:00:00Z");
    expect("windowed[i64]", key, 12, "?000000070000019cadfd8900");
    expect_json("windowed[i32]", key, 12, "{\"key\":7,\"start_ms\":1772445600000}");
    expect_json("windowed[i64]", key, 12, "");
    expect_json("windowed[text]", "a\0\0\0\0\0\0\0\1", 9, "{\"key\":\"a\",\"start_ms\":1}");
    expect_json("windowed", "a\0\0\0\0\0\0\0\1", 9, "{\"key\":\"a\",\"start_ms\":1}");
    expect_json("windowed[struct[n:i32]]", "\1\0\0\0\2\0\0\0\0\0\0\0\1", 13,
                "{\"key\":{\"n\":2},\"start_ms\":1}");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("typed");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, numbers_are_shown_by_their_type);
    tcase_add_test(tests, numbers_are_read_as_they_are_shown);
    tcase_add_test(tests, what_the_serde_writes_is_shown);
    tcase_add_test(tests, windowed_keys_are_shown_with_their_start);
    tcase_add_test(tests, wrong_types_are_refused);
    tcase_add_test(tests, a_type_can_be_shown);
    tcase_add_test(tests, a_type_is_checked_without_memory);
    tcase_add_test(tests, values_are_shown_as_json);
    tcase_add_test(tests, what_the_serde_refuses_as_too_short_does_not_fit);
    tcase_add_test(tests, older_versions_lack_newer_fields);
    tcase_add_test(tests, windowed_keys_are_of_any_type);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("typed", add);
}
