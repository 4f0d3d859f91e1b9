#include "base/codec/compress.h"

#include <string.h>

#include "base/bytes.h"
#include "tests/support/support.h"

enum { MEGABYTE = 1 << 20, KILOBYTE = 1 << 10 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_buffer plain, packed, unpacked;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_buffer_init(&plain, &budget, 0);
    weir_buffer_init(&packed, &budget, 0);
    weir_buffer_init(&unpacked, &budget, 0);
}

static void tear_down(void)
{
    weir_buffer_close(&plain);
    weir_buffer_close(&packed);
    weir_buffer_close(&unpacked);
    ck_assert_uint_eq(budget.used, 0);
}

/* Records as they are: words that repeat between numbers that do not. */
static void fill_plain(size_t size, uint64_t seed)
{
    struct weir_test_random random = {seed};
    weir_buffer_reset(&plain);
    while (plain.size < size) {
        weir_buffer_append(&plain, "{\"user\":\"", 9);
        weir_buffer_u64(&plain, weir_test_random_next(&random));
        weir_buffer_append(&plain, "\",\"page\":\"/index.html\"}", 23);
    }
    plain.size = size;
}

static void pack(int codec, int level)
{
    weir_buffer_reset(&packed);
    ck_code(weir_compress((enum weir_codec)codec, level, weir_buffer_slice(&plain), &packed), 0);
}

static int unpack(int codec, struct weir_slice input, size_t size_max)
{
    weir_buffer_reset(&unpacked);
    weir_buffer_append(&unpacked, "kept", 4);
    return weir_decompress((enum weir_codec)codec, input, size_max, &unpacked);
}

static void check_unpacked(struct weir_slice expected)
{
    ck_assert_uint_eq(unpacked.size, 4 + expected.size);
    ck_assert_mem_eq(unpacked.data, "kept", 4);
    ck_assert(weir_slice_equal(weir_slice(unpacked.data + 4, expected.size), expected));
}

static void check_unpacked_nothing(void)
{
    ck_assert_uint_eq(unpacked.size, 4);
    ck_assert_mem_eq(unpacked.data, "kept", 4);
    ck_assert(!unpacked.failed);
    ck_assert_uint_eq(unpacked.size_max, 0);
}

/* Any size at any level comes back, behind what was in the output, with a cap that just fits. */
START_TEST(what_is_packed_comes_back)
{
    static const size_t sizes[] = {0, 1, 100, 32 * KILOBYTE, 65537, 300 * KILOBYTE};
    static const int levels[] = {WEIR_CODEC_LEVEL_DEFAULT, -1000, 1, 9, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof levels / sizeof levels[0]; j++) {
            if (levels[j] == 1000 && sizes[i] > 65537) continue; /* slow, and nothing new */
            fill_plain(sizes[i], i);
            pack(_i, levels[j]);
            ck_code(unpack(_i, weir_buffer_slice(&packed), plain.size), 0);
            check_unpacked(weir_buffer_slice(&plain));
        }
    }
}
END_TEST

/* Null packs like empty. */
START_TEST(nothing_packs_to_nothing)
{
    weir_buffer_reset(&packed);
    ck_code(weir_compress((enum weir_codec)_i, 3, weir_null(), &packed), 0);
    ck_code(unpack(_i, weir_buffer_slice(&packed), 0), 0);
    check_unpacked_nothing();
}
END_TEST

/* No bytes are no frame; only "none" has nothing to say about it. */
START_TEST(no_bytes_are_no_frame)
{
    ck_code(unpack(_i, weir_null(), 100), _i == WEIR_CODEC_NONE ? 0 : WEIR_CORRUPT);
    check_unpacked_nothing();
}
END_TEST

/* One byte less of cap than it takes refuses the whole, and the output is as it was. */
START_TEST(the_cap_is_exact)
{
    for (size_t size = 1; size < 100 * KILOBYTE; size = size * 3 + 1) {
        fill_plain(size, 1);
        pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
        ck_code(unpack(_i, weir_buffer_slice(&packed), size - 1), WEIR_TOO_LARGE);
        check_unpacked_nothing();
        ck_code(unpack(_i, weir_buffer_slice(&packed), 0), WEIR_TOO_LARGE);
        check_unpacked_nothing();
    }
}
END_TEST

/* The output's own bound is a cap as well. */
START_TEST(the_outputs_bound_is_a_cap)
{
    fill_plain(5000, 1);
    pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
    unpacked.size_max = 5003;
    ck_code(unpack(_i, weir_buffer_slice(&packed), 100 * KILOBYTE), WEIR_TOO_LARGE);
    ck_assert_uint_eq(unpacked.size, 4);
    ck_assert_uint_eq(unpacked.size_max, 5003);
    unpacked.size_max = 5004;
    ck_code(unpack(_i, weir_buffer_slice(&packed), 100 * KILOBYTE), 0);
    check_unpacked(weir_buffer_slice(&plain));
}
END_TEST

/* 100 MB of zeros under a cap of 1 MB: refused, with no more memory than cap and codec state. */
START_TEST(a_bomb_is_refused_in_little_memory)
{
    struct weir_buffer zeros;
    weir_buffer_init(&zeros, &budget, 0);
    ck_assert_ptr_nonnull(weir_buffer_extend(&zeros, 100 * MEGABYTE));
    memset(zeros.data, 0, zeros.size);
    ck_code(weir_compress((enum weir_codec)_i, WEIR_CODEC_LEVEL_DEFAULT, weir_buffer_slice(&zeros),
                          &packed),
            0);
    weir_buffer_close(&zeros);

    struct weir_budget small;
    weir_budget_init(&small, "small", &heap, &budget, 0);
    struct weir_buffer output;
    weir_buffer_init(&output, &small, 0);
    ck_code(weir_decompress((enum weir_codec)_i, weir_buffer_slice(&packed), MEGABYTE, &output),
            WEIR_TOO_LARGE);
    ck_assert_uint_eq(output.size, 0);
    const size_t state_max = _i == WEIR_CODEC_ZSTD ? 9 * MEGABYTE : MEGABYTE / 2;
    ck_assert_uint_le(small.peak, MEGABYTE + state_max);
    weir_buffer_close(&output);
    ck_assert_uint_eq(small.used, 0);
}
END_TEST

/* Cut anywhere, a frame is refused; xerial may end between blocks, which is a shorter stream. */
START_TEST(truncation_is_seen_at_every_length)
{
    fill_plain(1500, 2);
    pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
    for (size_t size = 0; size < packed.size; size++) {
        int rc = unpack(_i, weir_slice(packed.data, size), plain.size);
        if (_i == WEIR_CODEC_SNAPPY && size == 16) {
            ck_code(rc, 0);
            continue;
        }
        ck_code(rc, WEIR_CORRUPT);
        check_unpacked_nothing();
    }
}
END_TEST

/* With any one bit turned, the answer is a code or some bytes under the cap, never more. */
START_TEST(a_flipped_bit_is_survived)
{
    fill_plain(600, 3);
    pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
    for (size_t bit = 0; bit < packed.size * 8; bit++) {
        packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = unpack(_i, weir_buffer_slice(&packed), 1000);
        packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_uint_le(unpacked.size, 1004);
        if (rc < 0) {
            ck_assert(rc == WEIR_CORRUPT || rc == WEIR_TOO_LARGE);
            check_unpacked_nothing();
        }
    }
}
END_TEST

/* Bytes that are no frame are refused, whatever they are. */
START_TEST(noise_is_survived)
{
    struct weir_test_random random = {(uint64_t)_i};
    uint8_t noise[200];
    for (int round = 0; round < 3000; round++) {
        size_t size = weir_test_random_below(&random, sizeof noise);
        weir_test_random_fill(&random, noise, size);
        int rc = unpack(_i, weir_slice(noise, size), 10 * KILOBYTE);
        ck_assert_uint_le(unpacked.size, 10 * KILOBYTE + 4);
        if (rc < 0) check_unpacked_nothing();
    }
}
END_TEST

/* Nothing may stand behind the last frame: one byte, zeros, or many bytes. */
START_TEST(trailing_garbage_is_refused)
{
    fill_plain(2000, 4);
    for (size_t extra = 1; extra < 40; extra++) {
        pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
        size_t size = packed.size;
        memset(weir_buffer_extend(&packed, extra), extra % 2 == 0 ? 0 : 'g', extra);
        ck_assert_uint_eq(packed.size, size + extra);
        ck_code(unpack(_i, weir_buffer_slice(&packed), 100 * KILOBYTE), WEIR_CORRUPT);
        check_unpacked_nothing();
    }
}
END_TEST

/* Frames may follow each other: members of gzip, frames, xerial streams. The cap is for all. */
START_TEST(frames_may_follow_each_other)
{
    fill_plain(1000, 5);
    pack(_i, WEIR_CODEC_LEVEL_DEFAULT);
    ck_code(weir_compress((enum weir_codec)_i, 1, weir_buffer_slice(&plain), &packed), 0);
    ck_code(unpack(_i, weir_buffer_slice(&packed), 1999), WEIR_TOO_LARGE);
    ck_code(unpack(_i, weir_buffer_slice(&packed), 2000), 0);
    ck_assert_uint_eq(unpacked.size, 2004);
    ck_assert_mem_eq(unpacked.data + 4, plain.data, 1000);
    ck_assert_mem_eq(unpacked.data + 1004, plain.data, 1000);
}
END_TEST

/* Each allocation on both ways is failed in turn: WEIR_NO_MEMORY, nothing changed, nothing lost. */
START_TEST(each_failed_allocation_is_answered)
{
    fill_plain(200 * KILOBYTE, 6);
    for (uint64_t nth = 1;; nth++) {
        weir_buffer_close(&packed);
        heap.fail_at = nth;
        int rc = weir_compress((enum weir_codec)_i, 9, weir_buffer_slice(&plain), &packed);
        if (rc == 0) break;
        ck_code(rc, WEIR_NO_MEMORY);
        ck_assert_uint_eq(packed.size, 0);
        ck_assert(!packed.failed);
    }
    heap.fail_at = 0;
    for (uint64_t nth = 1;; nth++) {
        weir_buffer_close(&unpacked);
        heap.fail_at = nth;
        int rc =
            weir_decompress((enum weir_codec)_i, weir_buffer_slice(&packed), MEGABYTE, &unpacked);
        if (rc == 0) break;
        ck_code(rc, WEIR_NO_MEMORY);
        ck_assert_uint_eq(unpacked.size, 0);
        ck_assert(!unpacked.failed);
    }
    heap.fail_at = 0;
    ck_assert_uint_eq(unpacked.size, plain.size);
    ck_assert(memcmp(unpacked.data, plain.data, plain.size) == 0);
}
END_TEST

/* What other programs wrote: gzip 1.12 with a file name, lz4 1.9.4 with linked blocks, content size
 * and checksum, zstd 1.5.4 with checksum, and one raw snappy block made by hand. */
static const uint8_t gzip_by_gzip[] = {
    0x1f, 0x8b, 0x08, 0x08, 0xa0, 0xe2, 0x02, 0x6b, 0x00, 0x03, 0x70, 0x6c, 0x61,
    0x69, 0x6e, 0x2e, 0x74, 0x78, 0x74, 0x00, 0x4b, 0x54, 0x28, 0x4f, 0xcd, 0x2c,
    0x52, 0xc8, 0x4e, 0x4d, 0x2d, 0x28, 0x56, 0x28, 0xc9, 0x48, 0x55, 0x28, 0x4f,
    0x2c, 0x49, 0x2d, 0x52, 0xc8, 0x49, 0x2d, 0x4b, 0xcd, 0xd1, 0x53, 0x48, 0x1c,
    0x95, 0x45, 0x92, 0x05, 0x00, 0xc7, 0x5f, 0x67, 0x0d, 0x2c, 0x01, 0x00, 0x00};
static const uint8_t lz4_by_lz4[] = {
    0x04, 0x22, 0x4d, 0x18, 0x6c, 0x40, 0x2c, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x54, 0x29, 0x00, 0x00, 0x00, 0xff, 0x0f, 0x61, 0x20, 0x77, 0x65, 0x69, 0x72, 0x20,
    0x6b, 0x65, 0x65, 0x70, 0x73, 0x20, 0x74, 0x68, 0x65, 0x20, 0x77, 0x61, 0x74, 0x65,
    0x72, 0x20, 0x6c, 0x65, 0x76, 0x65, 0x6c, 0x2e, 0x20, 0x1e, 0x00, 0xf6, 0x50, 0x76,
    0x65, 0x6c, 0x2e, 0x20, 0x00, 0x00, 0x00, 0x00, 0xa2, 0xc3, 0x50, 0xbc};
static const uint8_t zstd_by_zstd[] = {
    0x28, 0xb5, 0x2f, 0xfd, 0x64, 0x2c, 0x00, 0x35, 0x01, 0x00, 0xf0, 0x61, 0x20,
    0x77, 0x65, 0x69, 0x72, 0x20, 0x6b, 0x65, 0x65, 0x70, 0x73, 0x20, 0x74, 0x68,
    0x65, 0x20, 0x77, 0x61, 0x74, 0x65, 0x72, 0x20, 0x6c, 0x65, 0x76, 0x65, 0x6c,
    0x2e, 0x20, 0x01, 0x00, 0x2e, 0x04, 0x55, 0x39, 0x01, 0x0a, 0xa2, 0xd0, 0xc4};
static const uint8_t snappy_by_hand[] = "\xac\x02\x74"
                                        "a weir keeps the water level. "
                                        "\xfe\x1e\x00\xfe\x1e\x00\xfe\x1e\x00\xfe\x1e\x00\x36\x1e";

static const struct weir_slice foreign[WEIR_CODEC_COUNT] = {
    [WEIR_CODEC_GZIP] = {gzip_by_gzip, sizeof gzip_by_gzip},
    [WEIR_CODEC_SNAPPY] = {snappy_by_hand, sizeof snappy_by_hand}, /* its NUL ends the last copy */
    [WEIR_CODEC_LZ4] = {lz4_by_lz4, sizeof lz4_by_lz4},
    [WEIR_CODEC_ZSTD] = {zstd_by_zstd, sizeof zstd_by_zstd},
};

/* Frames that other programs wrote are read, with the cap exact for them too. */
START_TEST(foreign_frames_are_read)
{
    for (int i = 0; i < 10; i++) {
        weir_buffer_append(&plain, "a weir keeps the water level. ", 30);
    }
    ck_code(unpack(_i, foreign[_i], 300), 0);
    check_unpacked(weir_buffer_slice(&plain));
    ck_code(unpack(_i, foreign[_i], 299), WEIR_TOO_LARGE);
    check_unpacked_nothing();
}
END_TEST

/* A raw block that declares gigabytes is refused before a byte is allocated for it. */
START_TEST(snappys_declared_size_is_not_believed)
{
    static const uint8_t lie[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'x'};
    struct weir_buffer output;
    weir_buffer_init(&output, &budget, 0);
    ck_code(weir_decompress(WEIR_CODEC_SNAPPY, weir_slice(lie, sizeof lie), SIZE_MAX, &output),
            WEIR_CORRUPT);
    ck_assert_uint_eq(heap.allocation_count, 0);
}
END_TEST

/* Snappy is written as Java does: the header, then blocks of 32 KB behind their sizes. */
START_TEST(snappy_is_written_in_xerial_blocks)
{
    static const uint8_t header[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                       0,    0,   0,   1,   0,   0,   0,   1};
    fill_plain(70 * KILOBYTE, 7);
    pack(WEIR_CODEC_SNAPPY, 0);
    struct weir_reader reader = weir_reader(weir_buffer_slice(&packed));
    ck_assert_mem_eq(weir_reader_take(&reader, 16), header, 16);
    int block_count = 0;
    for (; weir_reader_left(&reader) > 0; block_count++) {
        ck_assert_ptr_nonnull(weir_reader_take(&reader, weir_reader_u32(&reader)));
    }
    ck_assert_int_eq(block_count, 3);
}
END_TEST

/* A zstd window of 8 MiB is read, one of 16 MiB is refused before it is made. */
START_TEST(zstds_window_is_bounded)
{
    uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3, 0x09, 0, 0, 'x'};
    ck_code(unpack(WEIR_CODEC_ZSTD, weir_slice(frame, sizeof frame), 100), 0);
    check_unpacked(weir_text("x"));
    size_t peak = budget.peak;
    frame[5] = (24 - 10) << 3;
    ck_code(unpack(WEIR_CODEC_ZSTD, weir_slice(frame, sizeof frame), 100), WEIR_TOO_LARGE);
    check_unpacked_nothing();
    ck_assert_uint_eq(budget.peak, peak);
}
END_TEST

/* Codecs are known by Kafka's names and numbers; others are refused. */
START_TEST(codecs_have_names)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    enum weir_codec codec = WEIR_CODEC_NONE;
    for (int i = 0; i < WEIR_CODEC_COUNT; i++) {
        ck_assert_str_eq(weir_codec_name(i), names[i]);
        ck_code(weir_codec_from_name(names[i], &codec), 0);
        ck_assert_int_eq((int)codec, i);
    }
    ck_code(weir_codec_from_name("brotli", &codec), WEIR_NOT_FOUND);
    ck_assert_int_eq((int)codec, WEIR_CODEC_ZSTD);
    ck_assert_ptr_null(weir_codec_name(-1));
    ck_assert_ptr_null(weir_codec_name(WEIR_CODEC_COUNT));
    ck_code(unpack(7, weir_text("x"), 10), WEIR_UNSUPPORTED_CODEC);
    check_unpacked_nothing();
    ck_code(weir_compress((enum weir_codec)7, 0, weir_text("x"), &packed), WEIR_UNSUPPORTED_CODEC);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("codecs");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, what_is_packed_comes_back, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, nothing_packs_to_nothing, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, no_bytes_are_no_frame, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, the_cap_is_exact, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, the_outputs_bound_is_a_cap, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, a_bomb_is_refused_in_little_memory, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, truncation_is_seen_at_every_length, 1, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, a_flipped_bit_is_survived, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, noise_is_survived, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, trailing_garbage_is_refused, 1, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, frames_may_follow_each_other, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, each_failed_allocation_is_answered, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, foreign_frames_are_read, 1, WEIR_CODEC_COUNT);
    suite_add_tcase(suite, tests);

    TCase *one = tcase_create("one codec");
    tcase_add_checked_fixture(one, set_up, tear_down);
    tcase_add_test(one, snappys_declared_size_is_not_believed);
    tcase_add_test(one, snappy_is_written_in_xerial_blocks);
    tcase_add_test(one, zstds_window_is_bounded);
    tcase_add_test(one, codecs_have_names);
    suite_add_tcase(suite, one);
}

int main(void)
{
    return weir_test_main("base/compress", add);
}
