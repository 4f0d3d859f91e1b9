/* A server that runs out of descriptors, by its clients' doing or by somebody else's: RELIABILITY.md 2.1,
 * L10. */
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/hostile/healthy.h"

enum { LIMIT = 100, CLIENTS = 40, BIG = 500000, NOT_LEADER = 6 };
enum { STORAGE_ERROR = 56, TOPIC_ALREADY_EXISTS = 36 };

static struct hostile_server server;
static struct healthy healthy;

static void set_limit_of(pid_t pid, rlim_t count)
{
    struct rlimit limit;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = count;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static bool is_retriable(int16_t number)
{
    return number == 0 || number == NOT_LEADER || number == STORAGE_ERROR;
}

static int16_t create(int peer, const char *name, int32_t partitions)
{
    return healthy_ask_topic(&server, peer, name, partitions);
}

/* Records of half a megabyte: 20 MB are five marks' worth, and each mark is a file that is opened. */
static void produce_big(int peer, const char *topic, int count, bool must_work)
{
    static uint8_t value[BIG];
    struct healthy_batch batch = {.value = weir_slice(value, sizeof value)};
    struct weir_slice bytes = healthy_batch(&server, &batch);
    for (int i = 0; i < count; i++) {
        int16_t number = healthy_produce(&server, peer, topic, 0, bytes);
        ck_assert_msg(must_work ? number == 0 : is_retriable(number), "%d", number);
    }
}

/* Idle clients come until no more are let in, again and again. Whoever was there before is served as ever,
 * topics can be made, and when they have left others come in. */
START_TEST(a_flood_leaves_room_for_the_log)
{
    static int peers[CLIENTS];
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, LIMIT}), 0);
    hostile_begin(&server, NULL);
    (void)setrlimit(RLIMIT_NOFILE, &before); /* of the test's own process, if it may */
    healthy_begin(&healthy, &server);
    healthy_create_topic(&server, "big", 1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < CLIENTS; i++)
            peers[i] = peer_open(&server);
        healthy_work(&healthy, 5);
        produce_big(healthy.peer, "big", 10, true);
        ck_assert_int_le(hostile_descriptors(&server), LIMIT * 3 / 4);
        ck_assert_int_eq(create(healthy.peer, round % 2 == 0 ? "one" : "another", 2),
                         round < 2 ? 0 : TOPIC_ALREADY_EXISTS);
        for (int i = 0; i < CLIENTS; i++)
            peer_close(peers[i]);
    }
    ck_assert_int_gt(hostile_log_lines(&server, "server.connection_refused"), 0);
    ck_assert_int_eq(hostile_log_lines(&server, "offline"), 0);
    produce_big(healthy.peer, "big", 1, true);
    healthy_work(&healthy, 5);
    healthy_end(&healthy);
    hostile_end(&server);
}
END_TEST

/* The limit falls below what is open (as when the host program's own files take the rest): nothing can be
 * opened. Each answer is a result or a number that clients ask again on, nothing goes offline; when there are
 * descriptors again all works at once. */
START_TEST(a_server_goes_on_when_descriptors_are_back)
{
    hostile_begin(&server, NULL);
    healthy_begin(&healthy, &server);
    healthy_create_topic(&server, "big", 1);
    healthy_create_topic(&server, "cold", 1);
    int peer = peer_open(&server);
    produce_big(peer, "big", 1, true);
    struct rlimit limit;
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    for (int round = 0; round < 3; round++) {
        char name[] = "topic-0";
        name[sizeof name - 2] = (char)('0' + round);
        set_limit_of(server.pid, 4);
        produce_big(peer, "big", 12, false);
        ck_assert(is_retriable(create(peer, name, 1)));
        produce_big(peer, "cold", 1, false);
        int waiting = peer_open(&server); /* in the backlog, or turned away */
        set_limit_of(server.pid, limit.rlim_cur);
        peer_close(waiting);
        produce_big(peer, "big", 10, true);
        produce_big(peer, "cold", 1, true);
        int16_t created = create(peer, name, 1);
        ck_assert(created == 0 || created == TOPIC_ALREADY_EXISTS);
        healthy_work(&healthy, 5);
        int later = peer_open(&server);
        produce_big(later, name, 1, true);
        peer_close(later);
    }
    ck_assert_int_eq(hostile_log_lines(&server, "offline"), 0);
    peer_close(peer);
    healthy_end(&healthy);
    hostile_end(&server);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("descriptors");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_flood_leaves_room_for_the_log);
    tcase_add_test(tests, a_server_goes_on_when_descriptors_are_back);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hostile descriptors", add);
}
