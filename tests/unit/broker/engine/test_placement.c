/* Which shard a partition belongs to. */
#include "broker/engine/placement.h"

#include <stdio.h>

#include "tests/support/broken.h"

static int32_t shard_of(const char *topic, int32_t partition, int32_t shard_count)
{
    return weir_placement_shard(weir_text(topic), partition, shard_count);
}

START_TEST(one_shard_has_all)
{
    ck_assert_int_eq(shard_of("clicks", 0, 1), 0);
    ck_assert_int_eq(shard_of("clicks", 9999, 1), 0);
    ck_assert_int_eq(shard_of("__cluster_metadata", 0, 1), 0);
}
END_TEST

START_TEST(the_metadata_is_shard_0s)
{
    for (int32_t count = 1; count < 70; count++)
        ck_assert_int_eq(shard_of("__cluster_metadata", 0, count), 0);
}
END_TEST

/* So a topic's partitions differ by one at most from shard to shard. */
START_TEST(neighbours_lie_on_neighbouring_shards)
{
    for (int32_t count = 2; count < 70; count++) {
        for (int32_t i = 0; i < 200; i++) {
            int32_t next = (shard_of("clicks", i, count) + 1) % count;
            ck_assert_int_eq(shard_of("clicks", i + 1, count), next);
        }
    }
}
END_TEST

/* By the name alone, wherever its bytes are. */
START_TEST(the_same_name_is_the_same_shard)
{
    char copy[] = "orders";
    for (int32_t count = 2; count < 70; count++)
        ck_assert_int_eq(shard_of(copy, 7, count), shard_of("orders", 7, count));
}
END_TEST

/* Topics of one partition spread: a quarter of a thousand each, give or take what a coin does. */
START_TEST(topics_of_one_partition_spread)
{
    int counts[4] = {0};
    for (int i = 0; i < 1000; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "topic-%d", i);
        counts[shard_of(topic, 0, 4)]++;
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_gt(counts[i], 180);
}
END_TEST

START_TEST(without_shards_there_is_no_place)
{
    (void)shard_of("clicks", 0, -_i);
}
END_TEST

static void add(Suite *suite)
{
    static const int32_t none[2] = {0};
    TCase *tests = tcase_create("placement");
    tcase_add_test(tests, one_shard_has_all);
    tcase_add_test(tests, the_metadata_is_shard_0s);
    tcase_add_test(tests, neighbours_lie_on_neighbouring_shards);
    tcase_add_test(tests, the_same_name_is_the_same_shard);
    tcase_add_test(tests, topics_of_one_partition_spread);
    ADD_BROKEN(tests, without_shards_there_is_no_place, none);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("placement", add);
}
