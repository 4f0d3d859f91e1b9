#include "base/hash.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "base/crc32c.h"
#include "tests/support/support.h"

/* The vectors of Kafka's own clients: a wrong bit here sends keys to other partitions. */
START_TEST(murmur2_is_kafkas)
{
    ck_assert_int_eq(weir_murmur2(weir_text("21")), -973932308);
    ck_assert_int_eq(weir_murmur2(weir_text("foobar")), -790332482);
    ck_assert_int_eq(weir_murmur2(weir_text("a-little-bit-long-string")), -985981536);
    ck_assert_int_eq(weir_murmur2(weir_text("abc")), 479470107);
}
END_TEST

/* Keys fall in [0, count), the negative hashes as well. */
START_TEST(partitions_are_in_range)
{
    ck_assert_int_eq(weir_partition_of_key(weir_text("abc"), 7), 479470107 % 7);
    struct weir_test_random random = {3};
    for (int i = 0; i < 1000; i++) {
        uint64_t key = weir_test_random_next(&random);
        int32_t partition = weir_partition_of_key(weir_slice(&key, sizeof key), 12);
        ck_assert_int_ge(partition, 0);
        ck_assert_int_lt(partition, 12);
    }
}
END_TEST

/* Equal bytes hash alike wherever they lie, and empty ones are fine. */
START_TEST(hash_is_of_the_bytes)
{
    char here[] = "-key";
    ck_assert_uint_eq(weir_hash(weir_text(here + 1)), weir_hash(weir_text("key")));
    ck_assert_uint_ne(weir_hash(weir_text("key")), weir_hash(weir_text("kez")));
    ck_assert_uint_eq(weir_hash(weir_text("")), weir_hash(weir_null()));
}
END_TEST

/* RFC 3720's check value and its vector of 32 zero bytes, by both implementations. */
START_TEST(crc32c_has_the_known_values)
{
    static const uint8_t zeroes[32];
    ck_assert_uint_eq(weir_crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(weir_crc32c_by_table(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(weir_crc32c(0, zeroes, sizeof zeroes), 0x8a9136aau);
    ck_assert_uint_eq(weir_crc32c(0, NULL, 0), 0);
}
END_TEST

/* At every size and alignment up to a few hundred, the fast one and the table agree. */
START_TEST(crc32c_agrees_with_the_table)
{
    uint8_t bytes[600];
    struct weir_test_random random = {9};
    weir_test_random_fill(&random, bytes, sizeof bytes);
    for (size_t start = 0; start < 16; start++) {
        for (size_t size = 0; size + start <= sizeof bytes; size++) {
            ck_assert_uint_eq(weir_crc32c(0, bytes + start, size),
                              weir_crc32c_by_table(0, bytes + start, size));
        }
    }
}
END_TEST

/* A sum may be continued over any cut. */
START_TEST(crc32c_continues)
{
    uint8_t bytes[1000];
    struct weir_test_random random = {13};
    weir_test_random_fill(&random, bytes, sizeof bytes);
    const uint32_t whole = weir_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t crc = weir_crc32c(0, bytes, cut);
        ck_assert_uint_eq(weir_crc32c(crc, bytes + cut, sizeof bytes - cut), whole);
    }
}
END_TEST

#ifdef __x86_64__
/* Whether the upper halves of the registers hold anything: bit 2 of what XGETBV says of register 1, where the
 * processor has it (CPUID leaf 13.1, bit 2); false where nobody can say. */
__attribute__((target("xsave"))) static bool has_upper_halves(void)
{
    uint32_t a, b, c, d;
    if (!__builtin_cpu_supports("avx") || !__get_cpuid_count(13, 1, &a, &b, &c, &d)) return false;
    return (a & 4) != 0 && (__builtin_ia32_xgetbv(1) & 4) != 0;
}

/* A checksum of any size leaves the vector registers as it found them: else the thread's arithmetic is slow
 * from there on. */
START_TEST(crc32c_leaves_no_upper_halves)
{
    uint8_t bytes[4096] = {0};
    for (size_t size = 1; size <= sizeof bytes; size *= 2) {
        (void)weir_crc32c(0, bytes, size);
        bool has_any = has_upper_halves();
        ck_assert(!has_any);
    }
}
END_TEST
#endif

static void add(Suite *suite)
{
    TCase *tests = tcase_create("hash");
    tcase_add_test(tests, murmur2_is_kafkas);
    tcase_add_test(tests, partitions_are_in_range);
    tcase_add_test(tests, hash_is_of_the_bytes);
    tcase_add_test(tests, crc32c_has_the_known_values);
    tcase_add_test(tests, crc32c_agrees_with_the_table);
    tcase_add_test(tests, crc32c_continues);
#ifdef __x86_64__
    tcase_add_test(tests, crc32c_leaves_no_upper_halves);
#endif
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/hash", add);
}
