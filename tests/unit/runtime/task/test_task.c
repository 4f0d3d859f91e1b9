/* The pure core of a task: choice, batches, time, timers, failures. No log, no thread. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "tests/unit/runtime/task/stage.h"
#include "wire/record_batch_reader.h"

static struct weir_sim *sim;
static struct weir_env *env;
static struct plan plan;
static struct weir_job_topic topics[PLAN_TOPICS];
static struct weir_task_config config;
static struct weir_collector collector;
static struct weir_arena batch_arena; /* of the batch at hand */
static struct weir_input_pool input_pool;
static struct weir_task_metrics metrics;
static struct weir_task *task;
static int32_t task_partition;
static struct weir_error error;
static struct stage_log log_seen;

/* ---- stage ----------------------------------------------------------------------------------- */

static void open_stage(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
    log_seen = (struct stage_log){0};
    metrics = (struct weir_task_metrics){0};
    config = (struct weir_task_config){.dead_letter_topic = SIZE_MAX, .late_topic = SIZE_MAX};
    task_partition = 0;
}

static void close_stage(void)
{
    weir_task_free(task);
    task = NULL;
    weir_collector_close(&collector);
    weir_input_pool_close(&input_pool);
    weir_arena_close(&batch_arena);
    weir_sim_free(sim);
}

static void create_task(void)
{
    ck_ok(weir_task_new(
              &(struct weir_task_options){
                  .config = &config,
                  .partition = task_partition,
                  .env = env,
                  .budget = env->budget,
                  .collector = &collector,
                  .arena = &batch_arena,
                  .input_pool = &input_pool,
                  .metrics = &metrics,
              },
              &task, &error),
          &error);
}

/* The plan's topics with one partition each; the last place of the table is for dead letters. */
static void new_task(const struct weir_topology *topology)
{
    size_t count = topology->topic_count + topology->store_count + 1;
    for (size_t i = 0; i < count; i++) {
        topics[i] = (struct weir_job_topic){
            .name = i < topology->topic_count ? topology->topics[i].name : "letters",
            .partition_count = 1,
            .max_message_bytes = 1 << 20,
        };
    }
    config.topology = topology;
    config.topics = topics;
    weir_collector_init(&collector, env->budget, env->budget, topics, count);
    weir_arena_init(&batch_arena, env->budget, 0);
    weir_input_pool_init(&input_pool, env->budget);
    create_task();
}

/* It has none, and so restores nothing. */
static void open_stores(void)
{
    ck_ok(weir_task_open_state(task, "state", NULL, NULL, NULL, &error), &error);
}

static void make_task(const struct weir_topology *topology)
{
    new_task(topology);
    open_stores();
    ck_ok(weir_task_open(task, NULL, 0, 0, &error), &error);
    for (size_t i = 0; i < task->input_count; i++) {
        task->inputs[i].log_end = 0;
    }
}

/* `inputs` sources "in0", "in1", … over one trace node each, all into one log. */
static const struct weir_topology *plan_trace(int inputs)
{
    static const char *const names[] = {"in0", "in1", "in2", "in3"};
    plan = (struct plan){0};
    for (int i = 0; i < inputs; i++) {
        int32_t topic = plan_topic(&plan, names[i], false);
        int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, topic, NULL);
        plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, source, -1, &log_seen);
    }
    return plan_done(&plan);
}

/* All of them, as a fetch gives them; nothing more is there. */
static void push_bytes(struct weir_task_input *input, struct weir_shared *bytes)
{
    const struct weir_log_batches batches = {.parts = {{bytes, 0, bytes->size}}, .part_count = 1};
    ck_ok(weir_input_queue_push(&input->queue, &batches, &error), &error);
    input->log_end = input->queue.fetch_offset;
}

/* One record batch: keys "a", "b", … with these timestamps. */
static void push(size_t input_index, char first_key, const int64_t *timestamps, size_t count)
{
    struct weir_task_input *input = &task->inputs[input_index];
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t key = (uint8_t)(first_key + (char)i);
        const struct weir_record record = {
            .key = weir_slice(&key, 1), .value = weir_text("v"), .timestamp_ms = timestamps[i]};
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(env->budget, batch.size);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    weir_batch_assign(bytes->data, input->queue.fetch_offset, 0);
    push_bytes(input, bytes);
    weir_shared_unref(bytes);
    weir_batch_builder_close(&builder);
}
#define PUSH(input, first_key, ...)                                                                \
    push(input, first_key, (const int64_t[]){__VA_ARGS__},                                         \
         sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void push_record(const struct weir_record *record)
{
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, record), 0);
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(env->budget, batch.size);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    struct weir_task_input *input = &task->inputs[0];
    weir_batch_assign(bytes->data, input->queue.fetch_offset, 0);
    push_bytes(input, bytes);
    weir_shared_unref(bytes);
    weir_batch_builder_close(&builder);
}

static void push_text(const char *key, const char *value)
{
    push_record(
        &(struct weir_record){.key = weir_text(key), .value = weir_text(value), .timestamp_ms = 7});
}

static void process_all(void)
{
    int rc;
    while ((rc = weir_task_process(task)) > 0) {
    }
    ck_assert_msg(rc == 0, "%s", task->error.text);
}

/* ---- choice ---------------------------------------------------------------------------------- */

/* The smallest head goes first; a run ends where a sibling's head would be chosen. */
START_TEST(a_batch_ends_at_the_next_head_of_a_sibling)
{
    make_task(plan_trace(2));
    PUSH(0, 'a', 10, 20, 30, 40);
    PUSH(1, 'x', 25, 35);
    process_all();
    ck_assert_str_eq(log_seen.text, "a@10 b@20 | x@25 | c@30 | y@35 | d@40 | ");
}
END_TEST

/* At a tie the source declared first goes first, on whichever side of the batch it stands. */
START_TEST(ties_go_to_the_source_declared_first)
{
    make_task(plan_trace(2));
    PUSH(0, 'a', 10, 20);
    PUSH(1, 'x', 10, 15, 20);
    process_all();
    ck_assert_str_eq(log_seen.text, "a@10 | x@10 y@15 | b@20 | z@20 | ");
}
END_TEST

/* The model: one record at a time, by head timestamp, then by order of the sources. */
static void model(const int64_t (*timestamps)[8], const size_t *counts, size_t inputs, char *to,
                  size_t size)
{
    size_t at[3] = {0};
    size_t used = 0;
    to[0] = '\0';
    for (;;) {
        size_t best = inputs;
        for (size_t i = 0; i < inputs; i++) {
            if (at[i] == counts[i]) continue;
            if (best == inputs || timestamps[i][at[i]] < timestamps[best][at[best]]) best = i;
        }
        if (best == inputs) return;
        used += (size_t)snprintf(to + used, size - used, "%c@%" PRId64 " ",
                                 (char)('a' + 8 * (int)best + (int)at[best]),
                                 timestamps[best][at[best]]);
        at[best]++;
    }
}

static void without_bars(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '|') {
            from++; /* and the space behind it */
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Random inputs, out of order within and across, with many ties: the order is the model's. */
START_TEST(batches_keep_the_order_of_record_at_a_time)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    size_t inputs = 1 + weir_test_random_below(&random, 3);
    int64_t timestamps[3][8];
    size_t counts[3];
    char expected[1024];
    make_task(plan_trace((int)inputs));
    for (size_t i = 0; i < inputs; i++) {
        counts[i] = 1 + weir_test_random_below(&random, 8);
        for (size_t r = 0; r < counts[i]; r++) {
            timestamps[i][r] = (int64_t)weir_test_random_below(&random, 10);
        }
        /* In one or two record batches: a run may span them. */
        size_t cut = weir_test_random_below(&random, counts[i]);
        if (cut > 0) push(i, (char)('a' + 8 * (int)i), timestamps[i], cut);
        push(i, (char)('a' + 8 * (int)i + (int)cut), timestamps[i] + cut, counts[i] - cut);
    }
    model((const int64_t(*)[8])timestamps, counts, inputs, expected, sizeof expected);
    process_all();
    without_bars(log_seen.text);
    ck_assert_str_eq(log_seen.text, expected);
    int64_t largest = -1;
    for (size_t i = 0; i < inputs; i++) {
        ck_assert_int_eq(task->inputs[i].queue.position, (int64_t)counts[i]);
        if (task->inputs[i].partition_time_ms > largest) {
            largest = task->inputs[i].partition_time_ms;
        }
    }
    ck_assert_int_eq(task->stream_time_ms, largest);
}
END_TEST

/* An empty sibling that has records in the log is waited for; one that has none is not. */
START_TEST(a_sibling_that_is_behind_is_waited_for)
{
    make_task(plan_trace(2));
    PUSH(0, 'a', 10);
    task->inputs[1].log_end = -1; /* not known */
    ck_assert_int_eq(weir_task_process(task), 0);
    task->inputs[1].log_end = 1; /* one record, not fetched yet */
    ck_assert_int_eq(weir_task_process(task), 0);
    ck_assert_str_eq(log_seen.text, "");
    PUSH(1, 'x', 5);
    process_all();
    ck_assert_str_eq(log_seen.text, "x@5 | a@10 | ");
}
END_TEST

/* A batch that a filter has emptied is nobody's: no child is asked. */
START_TEST(an_empty_batch_goes_nowhere)
{
    make_task(plan_trace(1));
    const struct weir_batch none = {0};
    ck_code(weir_node_forward(&task->nodes[0], &none), 0);
    ck_assert_uint_eq(log_seen.size, 0);
}
END_TEST

/* ---- forwarding ------------------------------------------------------------------------------ */

/* "in" -> two trace nodes, which see the same rows. */
static struct weir_plan_node *plan_two_paths(void)
{
    plan = (struct plan){0};
    int32_t topic = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, topic, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, source, -1, &log_seen);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, source, -1, &log_seen);
    (void)plan_done(&plan);
    return &plan.nodes[source];
}

/* A batch takes one path after the other, or row by row all of them, where the plan says so:
 * always, only with caches, or only without. */
START_TEST(rows_go_one_by_one_where_paths_meet)
{
    static const struct {
        bool is_by_row, is_by_row_when_cached, caches, is_one_by_one;
    } cases[] = {
        {false, false, false, false}, {false, false, true, false}, {true, true, false, true},
        {true, true, true, true},     {true, false, false, true},  {true, false, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        close_stage();
        open_stage();
        struct weir_plan_node *source = plan_two_paths();
        source->is_record_by_record = cases[i].is_by_row;
        source->is_record_by_record_when_cached = cases[i].is_by_row_when_cached;
        config.caches = cases[i].caches;
        make_task(&plan.topology);
        PUSH(0, 'a', 1, 2, 3);
        process_all();
        ck_assert_str_eq(log_seen.text, cases[i].is_one_by_one
                                            ? "a@1 | a@1 | b@2 | b@2 | c@3 | c@3 | "
                                            : "a@1 b@2 c@3 | a@1 b@2 c@3 | ");
    }
}
END_TEST

/* Where they meet at a topic only, rows that came of the input take one path after the other,
 * and those that came of none go one by one. */
START_TEST(rows_of_no_input_go_one_by_one_to_a_topic)
{
    struct weir_slice keys[2] = {weir_text("y"), weir_text("z")};
    const int64_t timestamps[2] = {8, 9};
    struct weir_plan_node *source = plan_two_paths();
    source->meets_at_topics = true;
    make_task(&plan.topology);
    PUSH(0, 'a', 1, 2);
    process_all();
    const struct weir_batch made = {
        .count = 2, .key_bytes = keys, .value_bytes = keys, .timestamps = timestamps};
    ck_code(weir_node_forward(&task->nodes[0], &made), 0);
    ck_assert_str_eq(log_seen.text, "a@1 b@2 | a@1 b@2 | y@8 | y@8 | z@9 | z@9 | ");
    ck_code(weir_node_forward_to(&task->nodes[0], 1, &made), 0);
    ck_assert_str_eq(log_seen.text + strlen("a@1 b@2 | a@1 b@2 | y@8 | y@8 | z@9 | z@9 | "),
                     "y@8 | z@9 | ");
}
END_TEST

/* As its producer does, when it is sent. */
static void fill_in(struct weir_slice batch)
{
    const struct weir_batch_producer nobody = {-1, -1, -1, false};
    weir_batch_set_producer((uint8_t *)batch.data, batch.size, &nobody);
}

/* The keys of the one batch that waits to be sent. */
static const char *keys_sent(void)
{
    static char text[64];
    size_t size = 0;
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    const struct weir_shared *bytes = output->produce.batches;
    struct weir_batch_reader reader = {.rest = weir_slice(bytes->data, bytes->size)};
    struct weir_record record;
    fill_in(reader.rest);
    ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
    while (weir_batch_reader_record(&reader, &record, &error) == 0) {
        ck_assert_uint_lt(size + 1, sizeof text);
        text[size++] = (char)record.key.data[0];
    }
    text[size] = '\0';
    weir_collector_recycle(&collector, output);
    ck_assert_ptr_null(weir_collector_take(&collector, true));
    return text;
}

/* Paths that meet at a topic: what came of the first record by all of them stands there before
 * what came of the second, as if one record were processed at a time. Two batches are two of
 * these; what is sent is counted. */
START_TEST(paths_that_meet_at_a_topic_keep_the_order_of_records)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t out = plan_topic(&plan, "out", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    for (int i = 0; i < 3; i++) {
        int32_t sink = plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, out, NULL);
        plan.nodes[sink].gathers = _i == 1;
    }
    make_task(plan_done(&plan));
    PUSH(0, 'a', 1, 2, 3);
    process_all();
    PUSH(0, 'x', 4, 5);
    process_all();
    ck_assert_str_eq(keys_sent(), _i == 1 ? "aaabbbcccxxxyyy" : "abcabcabcxyxyxy");
    ck_assert_int_eq(weir_counter_get(&metrics.records_out), 15);
}
END_TEST

/* The partitioner leaves the end of a key out where the sink says so, if there is as much of it;
 * a record goes on with its headers. */
START_TEST(a_key_goes_where_its_beginning_goes)
{
    static const struct {
        const char *key, *hashed;
    } cases[] = {{"user-1--12345678", "user-1--"},
                 {"12345678", ""},
                 {"1234567", "1234567"},
                 {"user-2--87654321", "user-2--"},
                 {"x12345678", "x"}};
    const struct weir_header header = {weir_text("trace"), weir_text("7")};
    (void)plan_filter(&plan);
    plan.nodes[2].unhashed_key_suffix = 8;
    plan.nodes[2].gathers = _i == 1;
    make_task(&plan.topology);
    topics[1].partition_count = 64;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        push_record(&(struct weir_record){.key = weir_text(cases[i].key),
                                          .value = weir_text("v"),
                                          .timestamp_ms = 7,
                                          .headers = &header,
                                          .header_count = 1});
        process_all();
        ck_ok(weir_collector_finish(&collector, &error), &error);
        struct weir_output *output = weir_collector_take(&collector, true);
        ck_assert_ptr_nonnull(output);
        ck_assert_int_eq(output->produce.to.partition,
                         weir_partition_of_key(weir_text(cases[i].hashed), 64));
        const struct weir_shared *bytes = output->produce.batches;
        struct weir_batch_reader reader = {.rest = weir_slice(bytes->data, bytes->size),
                                           .arena = &batch_arena};
        struct weir_record record;
        fill_in(reader.rest);
        ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
        ck_assert_int_eq(weir_batch_reader_record(&reader, &record, &error), 0);
        ck_assert(weir_slice_equal(record.key, weir_text(cases[i].key)));
        ck_assert_uint_eq(record.header_count, 1);
        ck_assert(weir_slice_equal(record.headers[0].key, header.key));
        ck_assert(weir_slice_equal(record.headers[0].value, header.value));
        weir_collector_recycle(&collector, output);
    }
    push_record(&(struct weir_record){.value = weir_text("v"), .timestamp_ms = 7}); /* no key */
    process_all();
}
END_TEST

/* The first child that fails ends it: neither its siblings nor later rows are asked, by either
 * way. */
START_TEST(a_failed_child_ends_the_forwarding)
{
    config.on_processing_error = WEIR_ON_ERROR_FAIL;
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_refuse, source, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, source, -1, &log_seen);
    plan.nodes[source].is_record_by_record = _i == 1;
    plan.nodes[source].is_record_by_record_when_cached = _i == 1;
    make_task(plan_done(&plan));
    push_text("a", "fine");
    push_text("b", "!bad");
    push_text("c", "fine");
    ck_code(weir_task_process(task), WEIR_USER_FUNCTION);
    ck_assert_str_eq(log_seen.text, _i == 1 ? "a@7 | " : "");
}
END_TEST

/* ---- beginning and end ----------------------------------------------------------------------- */

enum { HOOKED_NODES = 4 };

static struct {
    size_t fail_at; /* the node whose open fails */
    size_t opened[HOOKED_NODES];
    size_t open_count;
    size_t closed[HOOKED_NODES];
    size_t close_count;
} hooks;

static int open_hook(struct weir_node *node, struct weir_error *why)
{
    size_t at = (size_t)(node - task->nodes);
    hooks.opened[hooks.open_count++] = at;
    return at == hooks.fail_at ? weir_error_set(why, WEIR_NO_MEMORY, "planted") : 0;
}

static void close_hook(struct weir_node *node)
{
    hooks.closed[hooks.close_count++] = (size_t)(node - task->nodes);
}

static const struct weir_operator_ops hooked_source = {
    .name = "source", .kind = WEIR_PLAN_SOURCE, .open = open_hook, .close = close_hook};
static const struct weir_operator_ops hooked = {
    .name = "hooked", .open = open_hook, .close = close_hook};

/* A topic that has no partition of the task's number has no part in it: the task reads, and
 * waits for, the others. */
START_TEST(a_task_reads_the_topics_that_have_its_partition)
{
    task_partition = 2;
    new_task(plan_trace(4));
    ck_assert_uint_eq(task->input_count, 0); /* each has one */
    weir_task_free(task);
    task = NULL;
    for (int32_t i = 0; i < 4; i++) {
        topics[i].partition_count = i + 1;
    }
    create_task();
    ck_assert_uint_eq(task->input_count, 2); /* that of three partitions, and that of four */
    ck_assert_str_eq(task->inputs[0].source.topic, "in2");
    ck_assert_str_eq(task->inputs[1].source.topic, "in3");
    ck_assert_int_eq(task->inputs[0].source.partition, 2);
}
END_TEST

/* Nodes are opened parents first and closed the other way round: each that was opened, the one that failed
 * in it too, and no other. */
START_TEST(what_was_opened_is_closed)
{
    for (size_t fail_at = 0; fail_at <= HOOKED_NODES; fail_at++) {
        close_stage();
        open_stage();
        hooks.fail_at = fail_at;
        hooks.open_count = hooks.close_count = 0;
        plan = (struct plan){0};
        int32_t topic = plan_topic(&plan, "in", false);
        int32_t node = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &hooked_source, -1, topic, NULL);
        for (size_t i = 1; i < HOOKED_NODES; i++)
            node = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &hooked, node, -1, NULL);
        new_task(plan_done(&plan));
        error = (struct weir_error){0};
        open_stores();
        int rc = weir_task_open(task, NULL, 0, 0, &error);
        ck_assert_int_eq(rc, fail_at < HOOKED_NODES ? WEIR_NO_MEMORY : 0);
        ck_told(rc, &error);
        weir_task_free(task);
        task = NULL;
        size_t expected = fail_at < HOOKED_NODES ? fail_at + 1 : HOOKED_NODES;
        ck_assert_uint_eq(hooks.open_count, expected);
        ck_assert_uint_eq(hooks.close_count, expected);
        for (size_t i = 0; i < expected; i++) {
            ck_assert_uint_eq(hooks.opened[i], i);
            ck_assert_uint_eq(hooks.closed[i], expected - 1 - i);
        }
    }
}
END_TEST

/* In a commit a node goes by its store, by the name that its user gave it, or by what it does: a name with a
 * number that the DSL gave it moves with every edit. Those that share one are numbered. */
START_TEST(nodes_are_named_by_what_an_edit_leaves_alone)
{
    static const struct {
        const char *name;
        const char *mark;
    } nodes[] = {
        {"KSTREAM-MAP-0000000001", "kind:trace"},
        {"KSTREAM-0000000002", "kind:trace#1"},
        {"KSTREAM-MAP-0000000003", "kind:trace#2"},
        {"KSTREAM-MAP-00000001", "name:KSTREAM-MAP-00000001"},
        {"KSTREAM-", "name:KSTREAM-"},
        {"orders-0000000001", "name:orders-0000000001"},
        {"0000000001", "name:0000000001"},
        {"x", "name:x"},
        {"x", "name:x#1"},
        {"KSTREAM-REDUCE-0000000004", "store:sums"},
        {"mine", "store:sums#1"},
    };
    enum { COUNT = sizeof nodes / sizeof nodes[0] };
    plan = (struct plan){0};
    int32_t topic = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, topic, NULL);
    int32_t first = source + 1;
    int32_t store = 0;
    for (int32_t i = 0; i < COUNT; i++) {
        int32_t node = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, source, -1, &log_seen);
        ck_assert_int_eq(node, first + i);
        if (i == COUNT - 2) store = plan_store(&plan, 0, node, "sums", WEIR_STORE_MEMORY);
        plan.nodes[node].name = nodes[i].name;
    }
    plan.node_stores[first + COUNT - 1][0] = store;
    plan.nodes[first + COUNT - 1].store_count = 1;
    new_task(plan_done(&plan));
    for (int32_t i = 0; i < COUNT; i++) {
        ck_assert_str_eq(task->nodes[first + i].mark_name, nodes[i].mark);
    }
}
END_TEST

/* ---- time and timers ------------------------------------------------------------------------- */

static int64_t fired[64];
static size_t fired_count;
static size_t rows_before[64];

static int on_timer(struct weir_node *node, void *context, int64_t time_ms)
{
    (void)node;
    (void)context;
    rows_before[fired_count] = log_seen.size;
    fired[fired_count++] = time_ms;
    return 0;
}

static struct weir_node *timer_node(void)
{
    fired_count = 0;
    return &task->nodes[1];
}

/* The first tick is due with the first record; ticks that were missed are skipped; a batch ends
 * with the row that makes a timer due. */
START_TEST(stream_time_timers_tick_on_their_grid)
{
    make_task(plan_trace(1));
    ck_assert_int_eq(
        weir_node_schedule(timer_node(), WEIR_PUNCTUATE_STREAM_TIME, 10, on_timer, NULL), 0);
    PUSH(0, 'a', 3, 7, 12, 14, 55, 56, 60);
    process_all();
    ck_assert_str_eq(log_seen.text, "a@3 | b@7 c@12 | d@14 e@55 | f@56 g@60 | ");
    const int64_t expected[] = {3, 12, 55, 60};
    ck_assert_uint_eq(fired_count, 4);
    ck_assert_mem_eq(fired, expected, sizeof expected);
    ck_assert_uint_eq(rows_before[1], strlen("a@3 | b@7 c@12 | "));
}
END_TEST

static int note_timer(struct weir_node *node, void *context, int64_t time_ms)
{
    (void)node, (void)time_ms;
    fired[fired_count++] = *(const int64_t *)context;
    return 0;
}

/* Timers that are due together fire in the order in which they fell due, at a tie in that of their
 * making. */
START_TEST(due_timers_fire_by_due_time)
{
    static const int64_t intervals[] = {10, 3};
    make_task(plan_trace(1));
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(weir_node_schedule(timer_node(), WEIR_PUNCTUATE_STREAM_TIME, intervals[i],
                                            note_timer, (void *)(uintptr_t)&intervals[i]),
                         0);
    }
    PUSH(0, 'a', 0, 3, 11, 30);
    process_all();
    const int64_t expected[] = {10, 3, 3, 3, 10, 3, 10};
    ck_assert_uint_eq(fired_count, 7);
    ck_assert_mem_eq(fired, expected, sizeof expected);
}
END_TEST

/* Without an interval a timer would be due for ever, without a function there is nothing to do: neither is made. */
START_TEST(a_timer_needs_an_interval_and_a_function)
{
    static const enum weir_punctuation types[] = {WEIR_PUNCTUATE_STREAM_TIME,
                                                  WEIR_PUNCTUATE_WALL_CLOCK};
    make_task(plan_trace(1));
    struct weir_node *node = timer_node();
    for (size_t i = 0; i < 2; i++) {
        ck_code(weir_node_schedule(node, types[i], 0, on_timer, NULL), WEIR_INVALID_ARGUMENT);
        ck_code(weir_node_schedule(node, types[i], -1, on_timer, NULL), WEIR_INVALID_ARGUMENT);
        ck_code(weir_node_schedule(node, types[i], 10, NULL, NULL), WEIR_INVALID_ARGUMENT);
        ck_assert_uint_eq(task->timers.count, i);
        ck_code(weir_node_schedule(node, types[i], 1, on_timer, NULL), 0);
    }
}
END_TEST

/* Timers of a node are numbered in the order of their making, whatever others make between: by the number
 * a commit gives them their times back. */
START_TEST(timers_are_numbered_within_their_node)
{
    make_task(plan_trace(1));
    struct weir_node *nodes[2] = {timer_node(), &task->nodes[0]};
    ck_assert_ptr_ne(nodes[0], nodes[1]);
    for (int32_t i = 0; i < 6; i++) {
        ck_code(weir_node_schedule(nodes[i % 2], WEIR_PUNCTUATE_STREAM_TIME, 10, on_timer, NULL),
                0);
        ck_assert_ptr_eq(task->timers.timers[i].node, nodes[i % 2]);
        ck_assert_int_eq(task->timers.timers[i].id, i / 2);
    }
}
END_TEST

/* What is due next is known for each kind by itself, however many there are of it; the end of
 * time: none is. */
START_TEST(the_next_tick_of_each_kind_is_known)
{
    make_task(plan_trace(1));
    struct weir_node *node = timer_node();
    const struct weir_timers *timers = &task->timers;
    ck_assert_int_eq(timers->next_stream_ms, INT64_MAX);
    ck_assert_int_eq(timers->next_wall_ms, INT64_MAX);
    ck_assert_int_eq(weir_task_run_timers(task, 1000), 0);
    for (int i = 0; i < 9; i++) {
        enum weir_punctuation type =
            _i == 0 ? WEIR_PUNCTUATE_STREAM_TIME : WEIR_PUNCTUATE_WALL_CLOCK;
        ck_code(weir_node_schedule(node, type, 100 - i, on_timer, NULL), 0);
        ck_assert_int_eq(timers->next_stream_ms, _i == 0 ? 0 : INT64_MAX);
        ck_assert_int_eq(timers->next_wall_ms, _i == 0 ? INT64_MAX : 1000 + 100 - i);
    }
    ck_code(weir_node_schedule(node,
                               _i == 0 ? WEIR_PUNCTUATE_WALL_CLOCK : WEIR_PUNCTUATE_STREAM_TIME,
                               500, on_timer, NULL),
            0);
    ck_assert_int_eq(timers->next_stream_ms, 0);
    ck_assert_int_eq(timers->next_wall_ms, _i == 0 ? 1500 : 1092);
}
END_TEST

/* A wall-clock timer waits one interval, then skips what was missed. */
START_TEST(wall_clock_timers_skip_what_they_missed)
{
    make_task(plan_trace(1));
    ck_assert_int_eq(weir_task_run_timers(task, 1000), 0);
    ck_assert_int_eq(
        weir_node_schedule(timer_node(), WEIR_PUNCTUATE_WALL_CLOCK, 100, on_timer, NULL), 0);
    ck_assert_int_eq(weir_task_run_timers(task, 1099), 0);
    ck_assert_int_eq(weir_task_run_timers(task, 1100), 1);
    ck_assert_int_eq(task->timers.next_wall_ms, 1200);
    ck_assert_int_eq(weir_task_run_timers(task, 1450), 1);
    ck_assert_int_eq(task->timers.next_wall_ms, 1500);
    ck_assert_int_eq(weir_task_run_timers(task, 1499), 0);
    ck_assert_int_eq(weir_task_run_timers(task, 1500), 1);
}
END_TEST

/* A timestamp from the end of time does not make timers fire for ever (S8). */
START_TEST(extreme_timestamps_do_not_loop)
{
    make_task(plan_trace(1));
    ck_assert_int_eq(
        weir_node_schedule(timer_node(), WEIR_PUNCTUATE_STREAM_TIME, 1, on_timer, NULL), 0);
    PUSH(0, 'a', INT64_MAX, 5);
    process_all();
    ck_assert_uint_eq(fired_count, 1);
    ck_assert_int_eq(task->stream_time_ms, INT64_MAX);
}
END_TEST

/* One that restores takes no records and is part of no commit: either is a mistake of ours. */
START_TEST(a_task_that_restores_does_not_process)
{
    new_task(plan_trace(1));
    open_stores();
    ck_assert_int_eq(task->phase, WEIR_TASK_RESTORING);
    PUSH(0, 'a', 1);
    (void)weir_task_process(task);
}
END_TEST

START_TEST(a_task_that_restores_is_not_sealed)
{
    new_task(plan_trace(1));
    open_stores();
    (void)weir_task_seal(task);
}
END_TEST

/* Created, restoring, running, suspended, closed, and nothing passed over. */
START_TEST(a_task_goes_through_its_states)
{
    new_task(plan_trace(1));
    ck_assert_int_eq(task->phase, WEIR_TASK_CREATED);
    open_stores();
    ck_assert_int_eq(task->phase, WEIR_TASK_RESTORING);
    ck_ok(weir_task_open(task, NULL, 0, 0, &error), &error);
    ck_assert_int_eq(task->phase, WEIR_TASK_RUNNING);
    weir_task_move(task, WEIR_TASK_SUSPENDED);
    weir_task_move(task, WEIR_TASK_CLOSED);
}
END_TEST

START_TEST(a_task_does_not_run_unrestored)
{
    new_task(plan_trace(1));
    weir_task_move(task, WEIR_TASK_RUNNING);
}
END_TEST

/* What a commit said of a timer and of observed time comes back. */
START_TEST(marks_of_the_last_commit_are_given_back)
{
    new_task(plan_trace(1));
    open_stores();
    const struct weir_node_mark marks[] = {{"name:N1", 0, 40}, {"name:N1", WEIR_MARK_OBSERVED, 33}};
    ck_ok(weir_task_open(task, marks, 2, 0, &error), &error);
    ck_assert_int_eq(task->nodes[1].observed_ms, 33);
    task->timers.marks = marks;
    task->timers.mark_count = 2;
    ck_assert_int_eq(
        weir_node_schedule(timer_node(), WEIR_PUNCTUATE_STREAM_TIME, 10, on_timer, NULL), 0);
    PUSH(0, 'a', 39, 40);
    process_all();
    ck_assert_uint_eq(fired_count, 1);
    ck_assert_int_eq(fired[0], 40);
}
END_TEST

/* A time is given back to the timer of that number in the node of that name, and to no other. */
START_TEST(marks_are_given_back_by_node_and_number)
{
    make_task(plan_trace(2));
    const struct weir_node_mark marks[] = {
        {"name:N0", 0, 40}, {"name:N1", 1, 50}, {"name:N1", 0, 60}, {"name:N3", 0, 70}};
    task->timers.marks = marks;
    task->timers.mark_count = 4;
    static const int64_t expected[] = {60, 50, 0}; /* of the third nothing is known */
    fired_count = 0;
    for (size_t i = 0; i < 3; i++) {
        ck_code(weir_node_schedule(&task->nodes[1], WEIR_PUNCTUATE_STREAM_TIME, 10, on_timer, NULL),
                0);
        ck_assert_int_eq(task->timers.timers[i].next_ms, expected[i]);
    }
}
END_TEST

/* Without memory for one more the timers are those that were there; a number is the timers' to
 * give. */
START_TEST(a_timer_for_which_memory_is_out_is_none)
{
    make_task(plan_trace(1));
    for (int32_t i = 0; i < 20; i++) {
        const struct weir_timer timer = {.node = timer_node(),
                                         .id = 77,
                                         .type = WEIR_PUNCTUATE_STREAM_TIME,
                                         .interval_ms = 5,
                                         .fire = on_timer};
        bool is_full = task->timers.count == task->timers.capacity;
        env->heap->fail_at = 1;
        ck_code(weir_timers_add(&task->timers, timer, 0), is_full ? WEIR_NO_MEMORY : 0);
        env->heap->fail_at = 0;
        if (is_full) ck_code(weir_timers_add(&task->timers, timer, 0), 0);
        ck_assert_uint_eq(task->timers.count, (size_t)i + 1);
        ck_assert_int_eq(task->timers.timers[i].id, i);
    }
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

/* A record of negative time is a failure of reading: fatal, or skipped and counted. */
START_TEST(negative_timestamps_fail_the_record)
{
    config.on_deserialization_error = _i == 0 ? WEIR_ON_ERROR_FAIL : WEIR_ON_ERROR_SKIP;
    make_task(plan_trace(1));
    PUSH(0, 'a', 5, -1, 7);
    if (_i == 0) {
        ck_assert_int_eq(weir_task_process(task), 1);
        ck_assert_int_eq(weir_task_process(task), WEIR_INVALID_TIMESTAMP);
        ck_assert_ptr_nonnull(strstr(task->error.text, "topic 'in0' partition 0 offset 1"));
        ck_assert_ptr_nonnull(strstr(
            task->error.text, "-1 is negative; on_deserialization_error WEIR_ON_ERROR_SKIP"));
        return;
    }
    process_all();
    ck_assert_str_eq(log_seen.text, "a@5 | c@7 | ");
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 1);
}
END_TEST

static const struct weir_topology *plan_refuse(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t refuse = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_refuse, source, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_trace, refuse, -1, &log_seen);
    return plan_done(&plan);
}

/* A failed row goes to the dead-letter topic as it came, with the reason; the others go on. */
START_TEST(a_failed_row_becomes_a_dead_letter)
{
    config.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER;
    config.dead_letter_topic = 1;
    make_task(plan_refuse());
    push_text("a", "fine");
    push_text("b", "!bad");
    push_text("c", "fine");
    process_all();
    ck_assert_str_eq(log_seen.text, "a@7 c@7 | ");
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 1);
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    struct weir_record letter;
    struct weir_arena arena;
    weir_arena_init(&arena, env->budget, 0);
    const struct weir_shared *bytes = output->produce.batches;
    struct weir_batch_reader reader = {.rest = weir_slice(bytes->data, bytes->size),
                                       .arena = &arena};
    fill_in(reader.rest);
    ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &letter, &error), 0);
    ck_assert_mem_eq(letter.value.data, "!bad", 4);
    ck_assert_uint_eq(letter.header_count, 5);
    static const char *const expected[][2] = {
        {"__streams.errors.exception", "USER_FUNCTION"},
        {"__streams.errors.message", "value !bad"},
        {"__streams.errors.topic", "in"},
        {"__streams.errors.partition", "0"},
        {"__streams.errors.offset", "1"},
    };
    for (size_t i = 0; i < 5; i++) {
        ck_assert(weir_slice_equal(letter.headers[i].key, weir_text(expected[i][0])));
        ck_assert(weir_slice_equal(letter.headers[i].value, weir_text(expected[i][1])));
    }
    weir_arena_close(&arena);
    weir_collector_recycle(&collector, output);
}
END_TEST

/* The one letter that waits to be sent; its slices live as long as `arena`. */
static struct weir_record take_letter(struct weir_arena *arena)
{
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    ck_assert_uint_eq(output->topic, config.dead_letter_topic);
    ck_assert_int_eq(output->record_count, 1);
    const struct weir_shared *bytes = output->produce.batches;
    ck_assert_int_le((int64_t)bytes->size, topics[output->topic].max_message_bytes);
    uint8_t *copy = weir_arena_alloc(arena, bytes->size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes->data, bytes->size);
    struct weir_batch_reader reader = {.rest = weir_slice(copy, bytes->size), .arena = arena};
    struct weir_record letter;
    fill_in(reader.rest);
    ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &letter, &error), 0);
    weir_collector_recycle(&collector, output);
    return letter;
}

static struct weir_slice header_of(const struct weir_record *record, const char *key)
{
    for (size_t i = 0; i < record->header_count; i++) {
        if (weir_slice_equal(record->headers[i].key, weir_text(key)))
            return record->headers[i].value;
    }
    return weir_null();
}

static bool begins_with(struct weir_slice whole, struct weir_slice part)
{
    return part.size <= whole.size && memcmp(whole.data, part.data, part.size) == 0;
}

/* A letter that its topic could not take is cut to fit, value first, and says how large it was. */
START_TEST(a_dead_letter_that_is_too_large_is_cut_to_fit)
{
    enum { LIMIT = 900 };
    static const struct {
        size_t key_size, value_size;
        bool is_cut;
    } sizes[] = {
        {1, 100, false},  {1, 600, true},    {1, 5000, true},  {500, 1, false},
        {500, 50, false}, {500, 5000, true}, {800, 800, true}, {5000, 10, true},
    };
    const size_t key_size = sizes[_i].key_size, value_size = sizes[_i].value_size;
    config.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER;
    config.dead_letter_topic = 1;
    make_task(plan_refuse());
    topics[1].max_message_bytes = LIMIT;
    char key[5001] = {0}, value[5001] = {0}, text[24];
    memset(key, 'k', key_size);
    memset(value, 'v', value_size);
    value[0] = '!';
    push_text(key, value);
    process_all();
    struct weir_arena arena;
    weir_arena_init(&arena, env->budget, 0);
    const struct weir_record letter = take_letter(&arena);
    const bool is_cut = letter.key.size < key_size || letter.value.size < value_size;
    ck_assert(begins_with(weir_text(key), letter.key));
    ck_assert(begins_with(weir_text(value), letter.value));
    ck_assert(letter.key.size == key_size || letter.value.size == 0);
    ck_assert(is_cut == sizes[_i].is_cut);
    ck_assert(header_of(&letter, "__streams.errors.message").size > 0);
    ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.exception"),
                               weir_text("USER_FUNCTION")));
    snprintf(text, sizeof text, "%zu", value_size);
    ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.value.size"),
                               is_cut ? weir_text(text) : weir_null()));
    snprintf(text, sizeof text, "%zu", key_size);
    ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.key.size"),
                               is_cut ? weir_text(text) : weir_null()));
    weir_arena_close(&arena);
}
END_TEST

/* Without a handler a failed row stops the task, and the error says where it came from. */
START_TEST(a_failed_row_stops_the_task)
{
    make_task(plan_refuse());
    push_text("b", "!bad");
    ck_assert_int_eq(weir_task_process(task), WEIR_USER_FUNCTION);
    ck_assert_str_eq(task->error.text, "node 'N1': topic 'in' partition 0 offset 0: value !bad");
}
END_TEST

/* An output that is over the topic's limit is the record's own failure, whether it is sent at
 * once or with its batch. */
START_TEST(an_oversized_output_is_handled)
{
    config.on_production_error = WEIR_ON_ERROR_SKIP;
    (void)plan_filter(&plan);
    plan.nodes[2].gathers = _i == 1;
    make_task(&plan.topology);
    topics[1].max_message_bytes = 150;
    char large[200];
    memset(large, 'l', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    push_text("a", large);
    push_text("b", "small");
    process_all();
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 1);
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    ck_assert_int_eq(output->record_count, 1);
    ck_assert_int_eq(weir_counter_get(&metrics.records_out), 1);
    weir_collector_recycle(&collector, output);
}
END_TEST

/* Where it fails the task instead, what is behind it is not sent. */
START_TEST(an_oversized_output_stops_the_task)
{
    config.on_production_error = WEIR_ON_ERROR_FAIL;
    (void)plan_filter(&plan);
    plan.nodes[2].gathers = _i == 1;
    make_task(&plan.topology);
    topics[1].max_message_bytes = 150;
    char large[200];
    memset(large, 'l', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    push_text("a", "small");
    push_text("b", large);
    push_text("c", "small");
    ck_code(weir_task_process(task), WEIR_TOO_LARGE);
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    ck_assert_int_eq(output->record_count, 1);
    weir_collector_recycle(&collector, output);
}
END_TEST

/* A letter is the record as it came from the input, found by its offset whatever has become of
 * its row; a row that came of no record there, and one that has no offset, is a letter as it
 * stands. */
START_TEST(a_dead_letter_is_the_record_that_was_read)
{
    enum { ROWS = 5 };
    const int64_t offsets[ROWS] = {10, 11, 14, 15, 20};
    const int64_t timestamps[1] = {7};
    struct weir_slice keys[ROWS] = {weir_text("k10"), weir_text("k11"), weir_text("k14"),
                                    weir_text("k15"), weir_text("k20")};
    struct weir_slice own = weir_text("own");
    config.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER;
    config.dead_letter_topic = 1;
    make_task(plan_refuse());
    const struct weir_batch raw = {
        .count = ROWS, .offsets = offsets, .key_bytes = keys, .value_bytes = keys};
    for (int64_t offset = 8; offset < 23; offset++) {
        const struct weir_batch row = {.count = 1,
                                       .source = &task->inputs[0].source,
                                       .offsets = &offset,
                                       .timestamps = timestamps,
                                       .key_bytes = &own,
                                       .value_bytes = &own};
        struct weir_slice expected = own;
        for (size_t i = 0; i < ROWS; i++) {
            if (offsets[i] == offset) expected = keys[i];
        }
        task->raw = &raw;
        ck_ok(weir_task_record_failed(task, &task->nodes[1], &row, 0, WEIR_USER_FUNCTION), NULL);
        task->raw = NULL;
        struct weir_arena arena;
        weir_arena_init(&arena, env->budget, 0);
        const struct weir_record letter = take_letter(&arena);
        ck_assert(weir_slice_equal(letter.key, expected));
        ck_assert(weir_slice_equal(letter.value, expected));
        ck_assert_int_eq(letter.timestamp_ms, 7);
        char text[24];
        (void)snprintf(text, sizeof text, "%d", (int)offset);
        ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.offset"), weir_text(text)));
        weir_arena_close(&arena);
    }
}
END_TEST

/* What a timer or a flush has made is at no place of no topic. */
START_TEST(a_dead_letter_of_no_record_has_no_place)
{
    const int64_t timestamps[1] = {7};
    struct weir_slice own = weir_text("own");
    const struct weir_header header = {weir_text("trace"), weir_text("7")};
    const struct weir_headers headers = {.headers = &header, .count = 1};
    config.on_processing_error = WEIR_ON_ERROR_DEAD_LETTER;
    config.dead_letter_topic = 1;
    make_task(plan_refuse());
    const struct weir_batch row = {.count = 1,
                                   .timestamps = timestamps,
                                   .key_bytes = &own,
                                   .value_bytes = _i == 0 ? &own : NULL,
                                   .headers = &headers};
    ck_ok(weir_task_record_failed(task, &task->nodes[1], &row, 0, WEIR_USER_FUNCTION), NULL);
    struct weir_arena arena;
    weir_arena_init(&arena, env->budget, 0);
    const struct weir_record letter = take_letter(&arena);
    ck_assert(weir_slice_equal(letter.key, own));
    ck_assert(weir_slice_is_null(letter.value) == (_i == 1));
    ck_assert(weir_slice_equal(header_of(&letter, "trace"), weir_text("7")));
    ck_assert(weir_slice_is_null(header_of(&letter, "__streams.errors.topic")));
    ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.partition"), weir_text("-1")));
    ck_assert(weir_slice_equal(header_of(&letter, "__streams.errors.offset"), weir_text("-1")));
    weir_arena_close(&arena);
    config.on_processing_error = WEIR_ON_ERROR_FAIL;
    ck_code(weir_task_record_failed(task, &task->nodes[1], &row, 0, WEIR_USER_FUNCTION),
            WEIR_USER_FUNCTION);
    ck_assert_ptr_null(strstr(task->error.text, "offset"));
}
END_TEST

/* A shortage is not the record's fault, whatever the policy is: the task stops. */
START_TEST(a_shortage_is_no_records_own)
{
    static const enum weir_on_error policies[] = {WEIR_ON_ERROR_FAIL, WEIR_ON_ERROR_SKIP,
                                                  WEIR_ON_ERROR_DEAD_LETTER};
    const int64_t timestamps[1] = {7};
    struct weir_slice own = weir_text("own");
    config.on_processing_error = policies[_i];
    config.dead_letter_topic = 1;
    make_task(plan_refuse());
    const struct weir_batch row = {
        .count = 1, .timestamps = timestamps, .key_bytes = &own, .value_bytes = &own};
    ck_code(weir_task_record_failed(task, &task->nodes[1], &row, 0, WEIR_NO_MEMORY),
            WEIR_NO_MEMORY);
    ck_code(weir_task_record_failed(task, &task->nodes[1], &row, 0, WEIR_IO), WEIR_IO);
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 0);
    ck_assert(weir_collector_is_empty(&collector));
}
END_TEST

/* A timestamp that the topic would refuse fails its own record, not the whole batch. */
START_TEST(an_output_too_far_from_today_is_handled)
{
    config.on_production_error = WEIR_ON_ERROR_SKIP;
    make_task(plan_filter(&plan));
    topics[1].after_max_ms = 1000;
    collector.wall_now_ms = 5000;
    PUSH(0, 'a', 6000, 6001, 7);
    process_all();
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 1);
    ck_ok(weir_collector_finish(&collector, &error), &error);
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    ck_assert_int_eq(output->record_count, 2);
    weir_collector_recycle(&collector, output);
}
END_TEST

/* A record too far from today for the dead-letter topic, too, is put there as of now, and says when. */
START_TEST(a_dead_letter_too_far_from_today_is_dated_now)
{
    config.on_production_error = WEIR_ON_ERROR_DEAD_LETTER;
    config.dead_letter_topic = 2;
    make_task(plan_filter(&plan));
    topics[2] = topics[1];
    topics[1].after_max_ms = topics[2].after_max_ms = 1000;
    collector.wall_now_ms = 5000;
    PUSH(0, 'a', 6001);
    process_all();
    ck_assert_int_eq(weir_counter_get(&metrics.records_failed), 1);
    struct weir_arena arena;
    weir_arena_init(&arena, env->budget, 0);
    const struct weir_record letter = take_letter(&arena);
    ck_assert_int_eq(letter.timestamp_ms, 5000);
    ck_assert(
        weir_slice_equal(header_of(&letter, "__streams.errors.timestamp"), weir_text("6001")));
    weir_arena_close(&arena);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("task");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_batch_ends_at_the_next_head_of_a_sibling);
    tcase_add_test(tests, ties_go_to_the_source_declared_first);
    tcase_add_loop_test(tests, batches_keep_the_order_of_record_at_a_time, 0, 200);
    tcase_add_test(tests, a_sibling_that_is_behind_is_waited_for);
    tcase_add_test(tests, nodes_are_named_by_what_an_edit_leaves_alone);
    tcase_add_test(tests, what_was_opened_is_closed);
    tcase_add_test(tests, an_empty_batch_goes_nowhere);
    tcase_add_test(tests, rows_go_one_by_one_where_paths_meet);
    tcase_add_test(tests, rows_of_no_input_go_one_by_one_to_a_topic);
    tcase_add_loop_test(tests, paths_that_meet_at_a_topic_keep_the_order_of_records, 0, 2);
    tcase_add_loop_test(tests, a_failed_child_ends_the_forwarding, 0, 2);
    tcase_add_loop_test(tests, a_key_goes_where_its_beginning_goes, 0, 2);
    tcase_add_test(tests, a_task_reads_the_topics_that_have_its_partition);
    tcase_add_loop_test(tests, the_next_tick_of_each_kind_is_known, 0, 2);
    tcase_add_test(tests, stream_time_timers_tick_on_their_grid);
    tcase_add_test(tests, due_timers_fire_by_due_time);
    tcase_add_test(tests, a_timer_needs_an_interval_and_a_function);
    tcase_add_test(tests, timers_are_numbered_within_their_node);
    tcase_add_test(tests, wall_clock_timers_skip_what_they_missed);
    tcase_add_test(tests, extreme_timestamps_do_not_loop);
    tcase_add_test(tests, marks_of_the_last_commit_are_given_back);
    tcase_add_test(tests, marks_are_given_back_by_node_and_number);
    tcase_add_test(tests, a_timer_for_which_memory_is_out_is_none);
    tcase_add_loop_test(tests, negative_timestamps_fail_the_record, 0, 2);
    tcase_add_test(tests, a_failed_row_becomes_a_dead_letter);
    tcase_add_loop_test(tests, a_dead_letter_that_is_too_large_is_cut_to_fit, 0, 8);
    tcase_add_test(tests, a_dead_letter_is_the_record_that_was_read);
    tcase_add_loop_test(tests, a_dead_letter_of_no_record_has_no_place, 0, 2);
    tcase_add_loop_test(tests, a_shortage_is_no_records_own, 0, 3);
    tcase_add_test(tests, a_failed_row_stops_the_task);
    tcase_add_loop_test(tests, an_oversized_output_is_handled, 0, 2);
    tcase_add_loop_test(tests, an_oversized_output_stops_the_task, 0, 2);
    tcase_add_test(tests, an_output_too_far_from_today_is_handled);
    tcase_add_test(tests, a_dead_letter_too_far_from_today_is_dated_now);
    tcase_add_test(tests, a_task_goes_through_its_states);
    if (weir_test_forks()) {
        tcase_add_test_raise_signal(tests, a_task_that_restores_does_not_process, SIGABRT);
        tcase_add_test_raise_signal(tests, a_task_that_restores_is_not_sealed, SIGABRT);
        tcase_add_test_raise_signal(tests, a_task_does_not_run_unrestored, SIGABRT);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("task", add);
}
