/* Serdes: golden bytes, round trips, versions, truncation at every byte, bytes left over. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/task/scope.h"
#include "tests/support/support.h"
#include "weir/stream.h"

static struct weir_error error;

static struct weir_slice bytes_of(const struct weir_serde *serde, const void *object,
                                  uint8_t to[256])
{
    int64_t size = weir_serialize(serde, object, to, 256, &error);
    ck_assert_msg(size >= 0, "%s", error.text);
    return weir_slice(to, (size_t)size);
}

static void expect_bytes(struct weir_slice bytes, const void *expected, size_t size)
{
    ck_assert_uint_eq(bytes.size, size);
    ck_assert_mem_eq(bytes.data, expected, size);
}

/* ---- plain values ---------------------------------------------------------------------------- */

/* As Kafka's own serializers write them: big-endian, IEEE 754. */
START_TEST(plain_values_have_kafkas_bytes)
{
    uint8_t to[256];
    const int32_t small = -2;
    const int64_t large = 0x0102030405060708;
    const double half = 0.5;
    const struct weir_slice text = weir_text("text");
    expect_bytes(bytes_of(WEIR_INT32, &small, to), "\xff\xff\xff\xfe", 4);
    expect_bytes(bytes_of(WEIR_INT64, &large, to), "\1\2\3\4\5\6\7\10", 8);
    expect_bytes(bytes_of(WEIR_DOUBLE, &half, to), "\x3f\xe0\0\0\0\0\0\0", 8);
    expect_bytes(bytes_of(WEIR_STRING, &text, to), "text", 4);
    expect_bytes(bytes_of(WEIR_BYTES, &text, to), "text", 4);
}
END_TEST

START_TEST(plain_values_come_back)
{
    uint8_t to[256];
    const int64_t values[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t value;
        ck_ok(weir_deserialize(WEIR_INT64, bytes_of(WEIR_INT64, &values[i], to), &value, &error),
              &error);
        ck_assert_int_eq(value, values[i]);
    }
    const double doubles[] = {0.0, -1.5, INFINITY, 5e-324};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        double value;
        ck_ok(weir_deserialize(WEIR_DOUBLE, bytes_of(WEIR_DOUBLE, &doubles[i], to), &value, &error),
              &error);
        ck_assert_mem_eq(&value, &doubles[i], sizeof value);
    }
    const struct weir_slice empty = weir_slice("", 0);
    struct weir_slice text;
    ck_ok(weir_deserialize(WEIR_STRING, empty, &text, &error), &error);
    ck_assert_uint_eq(text.size, 0);
    ck_assert_ptr_nonnull(text.data);
}
END_TEST

START_TEST(wrong_sizes_are_refused)
{
    int64_t value = 42;
    for (size_t size = 0; size < 12; size++) {
        if (size == 8) continue;
        ck_code(weir_deserialize(WEIR_INT64, weir_slice("123456789012", size), &value, &error),
                WEIR_SERDE);
        ck_assert_int_eq(value, 42);
    }
    ck_assert_str_eq(error.text, "int64 of int64: 11 bytes, 8 expected");
    ck_code(weir_deserialize(WEIR_INT64, weir_null(), &value, &error), WEIR_INVALID_ARGUMENT);
    uint8_t to[4];
    ck_assert_int_eq(weir_serialize(WEIR_INT64, &value, to, sizeof to, &error), WEIR_TOO_LARGE);
    ck_assert_int_eq(weir_serialize(WEIR_INT64, NULL, to, sizeof to, &error),
                     WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(weir_serialize(WEIR_INT64, &value, to, sizeof to, NULL), WEIR_TOO_LARGE);
}
END_TEST

/* ---- a declared struct ----------------------------------------------------------------------- */

struct place {
    double latitude;
    int32_t level;
};

struct visit {
    bool is_first;
    int32_t count;
    int64_t time_ms;
    double amount;
    char name[8];
    struct weir_slice note;
    struct place place;
    int64_t added; /* since version 2 */
};

static const struct weir_field place_fields[] = {
    WEIR_FIELD_DOUBLE(struct place, latitude),
    WEIR_FIELD_INT32(struct place, level),
};
static const struct weir_struct_type place_type = {"place", sizeof(struct place), 1, place_fields,
                                                   2};
#define OLD_FIELDS                                                                                 \
    WEIR_FIELD_BOOL(struct visit, is_first), WEIR_FIELD_INT32(struct visit, count),                \
        WEIR_FIELD_INT64(struct visit, time_ms), WEIR_FIELD_DOUBLE(struct visit, amount),          \
        WEIR_FIELD_TEXT(struct visit, name), WEIR_FIELD_SLICE(struct visit, note),                 \
        WEIR_FIELD_STRUCT(struct visit, place, &place_type)
static const struct weir_field old_fields[] = {OLD_FIELDS};
static const struct weir_field new_fields[] = {
    OLD_FIELDS,
    {.name = "added",
     .kind = WEIR_FIELD_KIND_INT64,
     .offset = offsetof(struct visit, added),
     .size = sizeof(int64_t),
     .since = 2},
};
static const struct weir_struct_type old_type = {"visit", sizeof(struct visit), 1, old_fields, 7};
static const struct weir_struct_type new_type = {"visit", sizeof(struct visit), 2, new_fields, 8};
static const struct weir_serde old_serde = WEIR_STRUCT_SERDE(&old_type, struct visit);
static const struct weir_serde new_serde = WEIR_STRUCT_SERDE(&new_type, struct visit);

static struct visit example(void)
{
    return (struct visit){
        .is_first = true,
        .count = 3,
        .time_ms = 0x0102,
        .amount = 0.5,
        .name = "abc",
        .note = weir_text("xy"),
        .place = {.latitude = 0.5, .level = -1},
        .added = 7,
    };
}

static void expect_equal(const struct visit *a, const struct visit *b)
{
    ck_assert_int_eq(a->is_first, b->is_first);
    ck_assert_int_eq(a->count, b->count);
    ck_assert_int_eq(a->time_ms, b->time_ms);
    ck_assert_double_eq(a->amount, b->amount);
    ck_assert_str_eq(a->name, b->name);
    ck_assert(weir_slice_equal(a->note, b->note));
    ck_assert_double_eq(a->place.latitude, b->place.latitude);
    ck_assert_int_eq(a->place.level, b->place.level);
    ck_assert_int_eq(a->added, b->added);
}

/* docs/format/struct.md, byte by byte. */
/* A text of weir_call_printf is known for what it is by the serdes of numbers and structs: its address
 * is not written as one. What a number, or a slice of the user's own, holds is never mistaken for it. */
START_TEST(a_text_given_to_another_serde_is_refused)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    struct weir_scope scope = {.arena = &arena};
    struct weir_call call = {.scope = &scope};
    const struct weir_serde *const others[] = {WEIR_INT64, WEIR_DOUBLE, &new_serde};
    for (int length = 0; length < 300; length += 37) {
        const struct weir_slice *text = weir_call_printf(&call, "%*s", length, "");
        uint8_t to[512];
        ck_assert_int_eq(weir_serialize(WEIR_STRING, text, to, sizeof to, &error), length);
        for (size_t i = 0; i < 3; i++) {
            ck_assert_int_eq(weir_serialize(others[i], text, to, sizeof to, &error), WEIR_SERDE);
            ck_assert_ptr_nonnull(strstr(error.text, "a text of weir_call_printf"));
        }
    }
    int64_t own_address = (int64_t)(uintptr_t)&own_address;
    uint8_t to[8];
    ck_assert_int_eq(weir_serialize(WEIR_INT64, &own_address, to, sizeof to, &error), 8);
    weir_arena_close(&arena);
}
END_TEST

/* A source comes back behind each row that cannot be read. What a batch of such rows takes grows with
 * their number, not with its square. */
START_TEST(rows_that_cannot_be_read_take_little_memory)
{
    enum { ROWS = 1024 };
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    struct weir_scope scope = {.arena = &arena};
    struct weir_serde_call call = {.topic = "t", .scope = &scope, .error = &error};
    struct weir_slice bytes[ROWS];
    const void *objects[ROWS];
    struct visit visit = example();
    uint8_t good[256];
    int64_t size = weir_serialize(&new_serde, &visit, good, sizeof good, &error);
    ck_assert_int_gt(size, 0);
    for (size_t i = 0; i < ROWS; i++) {
        bytes[i] = i % 3 == 0 ? weir_slice(good, (size_t)size) : weir_text("\2?");
        if (_i == 0) bytes[i] = weir_text("\2?");
    }
    size_t read = 0;
    for (size_t done = 0; done < ROWS; done++) {
        size_t more =
            new_serde.deserialize(&new_serde, &call, bytes + done, ROWS - done, objects + done);
        read += more;
        done += more;
        if (done < ROWS) ck_assert_ptr_null(objects[done]);
    }
    ck_assert_uint_eq(read, _i == 0 ? 0 : (ROWS + 2) / 3);
    ck_assert_uint_lt(budget.peak, 4 * ROWS * sizeof(struct visit));
    weir_arena_close(&arena);
}
END_TEST

START_TEST(struct_has_its_documented_bytes)
{
    static const char expected[] = "\1"                   /* version */
                                   "\1"                   /* is_first */
                                   "\0\0\0\3"             /* count */
                                   "\0\0\0\0\0\0\1\2"     /* time_ms */
                                   "\x3f\xe0\0\0\0\0\0\0" /* amount */
                                   "\3abc"                /* name */
                                   "\3xy"                 /* note: size + 1 */
                                   "\x3f\xe0\0\0\0\0\0\0" /* place.latitude */
                                   "\xff\xff\xff\xff";    /* place.level */
    const struct visit visit = example();
    uint8_t to[256];
    expect_bytes(bytes_of(&old_serde, &visit, to), expected, sizeof expected - 1);
}
END_TEST

START_TEST(struct_comes_back)
{
    uint8_t to[256];
    struct visit visit = example();
    struct visit back;
    ck_ok(weir_deserialize(&new_serde, bytes_of(&new_serde, &visit, to), &back, &error), &error);
    expect_equal(&visit, &back);
    visit.note = weir_null();
    memset(visit.name, 'x', sizeof visit.name); /* no NUL: the last character is not kept */
    ck_ok(weir_deserialize(&new_serde, bytes_of(&new_serde, &visit, to), &back, &error), &error);
    ck_assert_str_eq(back.name, "xxxxxxx");
    ck_assert_ptr_null(back.note.data);
    visit.note = weir_slice("", 0);
    ck_ok(weir_deserialize(&new_serde, bytes_of(&new_serde, &visit, to), &back, &error), &error);
    ck_assert_ptr_nonnull(back.note.data);
    ck_assert_uint_eq(back.note.size, 0);
}
END_TEST

/* Bytes of any number, a few more each time: what ends a field further on than the last object's did is
 * written all the same, and read. */
START_TEST(struct_of_any_size_comes_back)
{
    enum { NOTE_MAX = 1200 };
    static uint8_t to[NOTE_MAX + 256];
    static char note[NOTE_MAX];
    struct visit visit = example();
    struct visit back;
    memset(note, 'n', sizeof note);
    for (size_t size = 0; size <= NOTE_MAX; size++) {
        visit.note = weir_slice(note, size);
        int64_t written = weir_serialize(&new_serde, &visit, to, sizeof to, &error);
        ck_assert_msg(written > (int64_t)size, "%s", error.text);
        ck_assert_int_eq(weir_serialize(&new_serde, &visit, to, (size_t)written - 1, &error),
                         WEIR_TOO_LARGE);
        ck_ok(weir_deserialize(&new_serde, weir_slice(to, (size_t)written), &back, &error), &error);
        expect_equal(&visit, &back);
        ck_assert_uint_eq(back.note.size, size);
    }
}
END_TEST

/* Bytes of an older version leave newer fields zero; a newer version is refused. */
START_TEST(struct_reads_older_versions)
{
    uint8_t to[256];
    const struct visit visit = example();
    struct visit back;
    memset(&back, 0xff, sizeof back);
    ck_ok(weir_deserialize(&new_serde, bytes_of(&old_serde, &visit, to), &back, &error), &error);
    struct visit expected = visit;
    expected.added = 0;
    expect_equal(&expected, &back);
    ck_code(weir_deserialize(&old_serde, bytes_of(&new_serde, &visit, to), &back, &error),
            WEIR_SERDE);
    ck_assert_str_eq(error.text, "visit: version 2, this program knows 1 to 1");
    to[0] = 0;
    ck_code(weir_deserialize(&old_serde, weir_slice(to, 40), &back, &error), WEIR_SERDE);
}
END_TEST

START_TEST(struct_cut_at_any_byte_is_refused)
{
    uint8_t to[256];
    const struct visit visit = example();
    struct weir_slice bytes = bytes_of(&new_serde, &visit, to);
    struct visit back = example();
    for (size_t size = 0; size < bytes.size; size++) {
        /* From its own memory, so that a sanitizer sees a byte too many. */
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, bytes.data, size);
        ck_code(weir_deserialize(&new_serde, weir_slice(cut, size), &back, &error), WEIR_SERDE);
        free(cut);
    }
    expect_equal(&visit, &back);
}
END_TEST

START_TEST(struct_with_bytes_left_over_is_refused)
{
    uint8_t to[256];
    const struct visit visit = example();
    struct weir_slice bytes = bytes_of(&new_serde, &visit, to);
    struct visit back;
    ck_code(weir_deserialize(&new_serde, weir_slice(to, bytes.size + 1), &back, &error),
            WEIR_SERDE);
    ck_assert_str_eq(error.text, "visit: 1 bytes behind the last field");
}
END_TEST

/* A size that no field can have: longer than the text, or than all bytes. */
START_TEST(struct_with_a_wild_size_is_refused)
{
    enum { NAME_AT = 1 + 1 + 4 + 8 + 8, NOTE_AT = NAME_AT + 4 };
    uint8_t to[256];
    const struct visit visit = example();
    struct visit back;
    struct weir_slice bytes = bytes_of(&new_serde, &visit, to);
    to[NAME_AT] = 8;
    ck_code(weir_deserialize(&new_serde, bytes, &back, &error), WEIR_SERDE);
    ck_assert_str_eq(error.text, "visit: field 'name' does not fit in 49 bytes");
    (void)bytes_of(&new_serde, &visit, to);
    memcpy(to + NOTE_AT, "\xff\xff\xff\xff\x0f", 5);
    ck_code(weir_deserialize(&new_serde, bytes, &back, &error), WEIR_SERDE);
    ck_assert_str_eq(error.text, "visit: field 'note' does not fit in 49 bytes");
}
END_TEST

/* Random bytes are read or refused, never more than that. */
START_TEST(random_bytes_are_harmless)
{
    struct weir_test_random random = {42};
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[64];
        size_t size = weir_test_random_below(&random, sizeof bytes);
        weir_test_random_fill(&random, bytes, sizeof bytes);
        bytes[0] = (uint8_t)(1 + i % 2);
        struct visit back;
        int rc = weir_deserialize(&new_serde, weir_slice(bytes, size), &back, NULL);
        ck_assert(rc == 0 || rc == WEIR_SERDE);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("serdes");
    tcase_add_test(tests, plain_values_have_kafkas_bytes);
    tcase_add_test(tests, plain_values_come_back);
    tcase_add_test(tests, wrong_sizes_are_refused);
    tcase_add_loop_test(tests, rows_that_cannot_be_read_take_little_memory, 0, 2);
    tcase_add_test(tests, a_text_given_to_another_serde_is_refused);
    tcase_add_test(tests, struct_has_its_documented_bytes);
    tcase_add_test(tests, struct_comes_back);
    tcase_add_test(tests, struct_of_any_size_comes_back);
    tcase_add_test(tests, struct_reads_older_versions);
    tcase_add_test(tests, struct_cut_at_any_byte_is_refused);
    tcase_add_test(tests, struct_with_bytes_left_over_is_refused);
    tcase_add_test(tests, struct_with_a_wild_size_is_refused);
    tcase_add_test(tests, random_bytes_are_harmless);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("serdes", add);
}
