#include "base/bytes.h"

#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_buffer buffer;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_buffer_init(&buffer, &budget, 0);
}

static void tear_down(void)
{
    weir_buffer_close(&buffer);
}

/* A number whose highest set bit is anywhere: all sizes of varint are met. */
static uint64_t any_number(struct weir_test_random *random)
{
    return weir_test_random_next(random) >> weir_test_random_below(random, 64);
}

/* What the writers write, the readers read, and then the input is used up. */
START_TEST(numbers_round_trip)
{
    struct weir_test_random random = {5};
    for (int i = 0; i < 5000; i++) {
        uint64_t number = any_number(&random);
        weir_buffer_reset(&buffer);
        weir_buffer_u8(&buffer, (uint8_t)number);
        weir_buffer_u16(&buffer, (uint16_t)number);
        weir_buffer_u32(&buffer, (uint32_t)number);
        weir_buffer_u64(&buffer, number);
        weir_buffer_uvarint(&buffer, (uint32_t)number);
        weir_buffer_varint(&buffer, (int32_t)number);
        weir_buffer_varint(&buffer, (int64_t)number);

        struct weir_reader reader = weir_reader(weir_buffer_slice(&buffer));
        ck_assert_uint_eq(weir_reader_u8(&reader), (uint8_t)number);
        ck_assert_uint_eq(weir_reader_u16(&reader), (uint16_t)number);
        ck_assert_uint_eq(weir_reader_u32(&reader), (uint32_t)number);
        ck_assert_uint_eq(weir_reader_u64(&reader), number);
        ck_assert_uint_eq(weir_reader_uvarint32(&reader), (uint32_t)number);
        ck_assert_int_eq(weir_reader_varint32(&reader), (int32_t)number);
        ck_assert_int_eq(weir_reader_varint64(&reader), (int64_t)number);
        ck_assert(!reader.failed);
        ck_assert_uint_eq(weir_reader_left(&reader), 0);
    }
}
END_TEST

/* Known bytes: big-endian integers, and the varints of the protocol guide. */
START_TEST(bytes_are_the_protocols)
{
    weir_buffer_u32(&buffer, 0x01020304);
    weir_buffer_varint(&buffer, -1);
    weir_buffer_varint(&buffer, 1);
    weir_buffer_uvarint(&buffer, 300);
    weir_buffer_varint(&buffer, INT64_MIN);
    static const uint8_t expected[] = {1,    2,    3,    4,    1,    2,    0xac, 2,    0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    ck_assert_uint_eq(buffer.size, sizeof expected);
    ck_assert_mem_eq(buffer.data, expected, sizeof expected);
}
END_TEST

/* The size function says what the store function writes, at every power of two and beside it. */
START_TEST(varint_size_is_what_is_written)
{
    uint8_t bytes[WEIR_VARINT64_SIZE_MAX];
    for (int bit = 0; bit < 64; bit++) {
        for (uint64_t beside = 0; beside < 3; beside++) {
            uint64_t value = (UINT64_C(1) << bit) - 1 + beside;
            ck_assert_uint_eq(weir_varint_size(value), weir_varint_store(bytes, value));
        }
    }
    ck_assert_uint_eq(weir_varint_size(UINT64_MAX), 10);
}
END_TEST

/* A varint that ends early fails and moves nothing, at each place it may end. */
START_TEST(short_varints_fail)
{
    weir_buffer_uvarint(&buffer, UINT64_MAX);
    for (size_t size = 0; size < buffer.size; size++) {
        struct weir_reader reader = weir_reader(weir_slice(buffer.data, size));
        ck_assert_int_eq(weir_reader_varint64(&reader), 0);
        ck_assert(reader.failed);
    }
}
END_TEST

/* The last byte may only hold the bits that are left; a continued one is too long. */
START_TEST(overflowing_varints_fail)
{
    static const struct {
        uint8_t bytes[11];
        size_t size;
        bool fits_32, fits_64;
    } rows[] = {
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, true, true},
        {{0xff, 0xff, 0xff, 0xff, 0x10}, 5, false, true},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 6, false, true},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, false, true},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10, false, false},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 11, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_reader reader = weir_reader(weir_slice(rows[i].bytes, rows[i].size));
        (void)weir_reader_uvarint32(&reader);
        ck_assert_int_eq(!reader.failed, rows[i].fits_32);
        reader = weir_reader(weir_slice(rows[i].bytes, rows[i].size));
        (void)weir_reader_varint64(&reader);
        ck_assert_int_eq(!reader.failed, rows[i].fits_64);
    }
}
END_TEST

/* After its first failure a reader gives zeros, even where bytes are left. */
START_TEST(a_failed_reader_reads_zeros)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct weir_reader reader = weir_reader(weir_slice(bytes, sizeof bytes));
    ck_assert_uint_eq(weir_reader_u32(&reader), 0);
    ck_assert(reader.failed);
    ck_assert_uint_eq(weir_reader_u8(&reader), 0);
    ck_assert_uint_eq(weir_reader_uvarint32(&reader), 0);
    ck_assert_int_eq(weir_reader_varint64(&reader), 0);
    ck_assert_ptr_null(weir_reader_take(&reader, 0));
}
END_TEST

/* A reader over nothing fails at the first byte, not before. */
START_TEST(a_reader_over_null_is_empty)
{
    struct weir_reader reader = weir_reader(weir_null());
    ck_assert_uint_eq(weir_reader_left(&reader), 0);
    ck_assert_ptr_nonnull(weir_reader_take(&reader, 0));
    ck_assert(!reader.failed);
    ck_assert_uint_eq(weir_reader_u8(&reader), 0);
    ck_assert(reader.failed);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("bytes");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, numbers_round_trip);
    tcase_add_test(tests, bytes_are_the_protocols);
    tcase_add_test(tests, varint_size_is_what_is_written);
    tcase_add_test(tests, short_varints_fail);
    tcase_add_test(tests, overflowing_varints_fail);
    tcase_add_test(tests, a_failed_reader_reads_zeros);
    tcase_add_test(tests, a_reader_over_null_is_empty);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/bytes", add);
}
