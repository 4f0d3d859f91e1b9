#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/broker/coordinator/group/consumer_life.h"

/* More: WEIR_LIFE_SEEDS=2000 test_broker_consumer_life; one: WEIR_LIFE_SEED=17. */
enum { LIVES = 40 };

static uint64_t from_environment(const char *name, uint64_t preset)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : preset;
}

static uint64_t seed_count(void)
{
    return from_environment("WEIR_LIFE_SEEDS", LIVES);
}

static void live(bool is_wild)
{
    uint64_t one = from_environment("WEIR_LIFE_SEED", 0);
    uint64_t from = one != 0 ? one : 1;
    uint64_t count = one != 0 ? 1 : seed_count();
    for (uint64_t seed = from; seed < from + count; seed++) {
        consumer_life(seed, is_wild);
    }
}

START_TEST(an_orderly_life)
{
    live(false);
}
END_TEST

START_TEST(a_wild_life)
{
    live(true);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("consumer life");
    tcase_add_test(tests, an_orderly_life);
    tcase_add_test(tests, a_wild_life);
    tcase_set_timeout(tests, 0);
    suite_add_tcase(suite, tests);
}

/* Of a build with a planted bug: the two lives of a seed, in a process of their own, must not both end well. */
static bool life_fails(uint64_t seed)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char text[24];
        (void)snprintf(text, sizeof text, "%d", (int)seed);
        if (setenv("WEIR_LIFE_SEED", text, 1) < 0 || setenv("CK_FORK", "no", 1) < 0) abort();
        exit(weir_test_main("consumer_life", add));
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && status != 0;
}

static int find_bug(uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (!life_fails(seed)) continue;
        printf("the planted bug was found after %d lives\n", (int)seed);
        return EXIT_SUCCESS;
    }
    printf("the planted bug was not found in %d lives\n", (int)seeds);
    return EXIT_FAILURE;
}

int main(int argument_count, char **arguments)
{
    static const char finds[] = "--finds-bug=";
    if (argument_count > 1 && strncmp(arguments[1], finds, sizeof finds - 1) == 0) {
        return find_bug(strtoull(arguments[1] + sizeof finds - 1, NULL, 10));
    }
    return weir_test_main("consumer_life", add);
}
