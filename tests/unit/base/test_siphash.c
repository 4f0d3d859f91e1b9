#include "base/siphash.h"

#include <stdio.h>

#include "tests/support/support.h"

static struct weir_siphash_key counting_key(void)
{
    struct weir_siphash_key key;
    for (uint8_t i = 0; i < sizeof key.bytes; i++) {
        key.bytes[i] = i;
    }
    return key;
}

static void expect(size_t size, const char *hex)
{
    uint8_t bytes[64];
    char text[33];
    for (uint8_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = i;
    }
    struct weir_siphash_key key = counting_key();
    struct weir_digest digest = weir_siphash_128(&key, weir_slice(bytes, size));
    for (int i = 0; i < 16; i++) { /* the reference writes both words with the low byte first */
        unsigned byte = (unsigned)(digest.words[i / 8] >> (8 * (i % 8))) & 0xff;
        (void)snprintf(text + 2 * i, 3, "%02X", byte);
    }
    ck_assert_str_eq(text, hex);
}

/* The values of the reference code, as OpenSSL's SIPHASH gives them, around its words of eight bytes. */
START_TEST(it_is_the_reference_codes)
{
    expect(0, "A3817F04BA25A8E66DF67214C7550293");
    expect(1, "DA87C1D86B99AF44347659119B22FC45");
    expect(7, "A1F1EBBED8DBC153C0B84AA61FF08239");
    expect(8, "3B62A9BA6258F5610F83E264F31497B4");
    expect(15, "5493E99933B0A8117E08EC0F97CFC3D9");
    expect(16, "6EE2A4CA67B054BBFD3315BF85230577");
    expect(63, "5150D1772F50834A503E069A973FBD7C");
}
END_TEST

/* Another key gives another value, and so does one bit of the input; where the bytes lie does not matter. */
START_TEST(it_is_of_key_and_bytes)
{
    struct weir_siphash_key key = counting_key();
    struct weir_siphash_key other = key;
    char moved[] = "-a key";
    other.bytes[15] ^= 1;
    struct weir_digest digest = weir_siphash_128(&key, weir_text("a key"));
    struct weir_digest same = weir_siphash_128(&key, weir_text(moved + 1));
    struct weir_digest by_other = weir_siphash_128(&other, weir_text("a key"));
    struct weir_digest of_other = weir_siphash_128(&key, weir_text("a kez"));
    ck_assert_mem_eq(&digest, &same, sizeof digest);
    ck_assert_mem_ne(&digest, &by_other, sizeof digest);
    ck_assert_mem_ne(&digest, &of_other, sizeof digest);
    struct weir_digest empty = weir_siphash_128(&key, weir_text(""));
    same = weir_siphash_128(&key, weir_null());
    ck_assert_mem_eq(&empty, &same, sizeof empty);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("siphash");
    tcase_add_test(tests, it_is_the_reference_codes);
    tcase_add_test(tests, it_is_of_key_and_bytes);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("siphash", add);
}
