#include <string.h>

#include "base/address.h"
#include "tests/support/support.h"

static struct weir_error error;

/* Host and port come apart; without a port it is Kafka's. */
START_TEST(hosts_and_ports_come_apart)
{
    static const struct {
        const char *text;
        const char *host;
        int32_t port;
    } cases[] = {
        {"127.0.0.1:9092", "127.0.0.1", 9092},
        {"localhost", "localhost", 9092},
        {"my-host.example:1", "my-host.example", 1},
        {"[::1]:65535", "::1", 65535},
        {"[::1]", "::1", 9092},
        {"10.0.0.7", "10.0.0.7", 9092},
        {"a:0", "a", 0},
        {"4u.example", "4u.example", 9092},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_host_port parsed;
        ck_ok(weir_host_port_parse(cases[i].text, &parsed, &error), &error);
        ck_assert_str_eq(parsed.host, cases[i].host);
        ck_assert_int_eq(parsed.port, cases[i].port);
    }
}
END_TEST

/* What is no address is refused with what would be right, and nothing is given out. */
START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {
        "",         ":9092", "9092", "9092:1", "a:",    "a:x",    "a:65536",      "::1",
        "::1:9092", "[::1",  "[]",   "[]:1",   "a:1:2", "[a]b:1", "a:99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir_host_port parsed = {.port = -7};
        ck_assert_msg(weir_host_port_parse(bad[i], &parsed, &error) == WEIR_INVALID_ARGUMENT,
                      "'%s'", bad[i]);
        ck_assert_ptr_nonnull(strstr(error.text, "HOST:PORT"));
        ck_assert_int_eq(parsed.port, -7);
    }
    char long_name[WEIR_HOST_SIZE + 1];
    struct weir_host_port parsed;
    memset(long_name, 'x', WEIR_HOST_SIZE);
    long_name[WEIR_HOST_SIZE] = '\0';
    ck_assert_int_eq(weir_host_port_parse(long_name, &parsed, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(weir_host_port_parse(NULL, &parsed, &error), WEIR_INVALID_ARGUMENT);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("addresses");
    tcase_add_test(tests, hosts_and_ports_come_apart);
    tcase_add_test(tests, what_is_no_address_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("addresses", add);
}
