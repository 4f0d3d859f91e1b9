#include <string.h>

#include "base/env/sim/sim.h"
#include "broker/metadata/uuid.h"
#include "tests/support/support.h"

/* An id survives its text, as Kafka prints it. */
START_TEST(ids_survive_their_text)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    struct weir_env *env = weir_sim_node(sim, 0);
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_uuid back;
    for (int i = 0; i < 1000; i++) {
        struct weir_uuid id = weir_uuid_random(env);
        ck_assert_str_ne(weir_uuid_print(id, text), "");
        ck_assert_uint_eq(strlen(text), 22);
        ck_assert_int_ne(text[0], '-');
        ck_assert(weir_uuid_parse(weir_text(text), &back));
        ck_assert(weir_uuid_equal(id, back));
    }
    struct weir_uuid one = {.bytes = {[15] = 1}};
    ck_assert_str_eq(weir_uuid_print(one, text), "AAAAAAAAAAAAAAAAAAAAAQ");
    ck_assert(!weir_uuid_parse(weir_text("AAAAAAAAAAAAAAAAAAAAA"), &back));
    ck_assert(!weir_uuid_parse(weir_text("AAAAAAAAAAAAAAAAAAAA=="), &back));
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("uuid");
    tcase_add_test(tests, ids_survive_their_text);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("uuid", add);
}
