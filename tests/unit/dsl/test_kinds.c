/* Objects of another kind than their serde: what a user's function hands over is held against the serde
 * that was declared for it, and refused before it is written. Programs that are right are left alone,
 * the unusual ones too. Each case runs on the test driver, through the public interface alone. */
#include <string.h>

#include "tests/support/support.h"
#include "weir/stream.h"
#include "weir/test.h"

static struct weir_error error;
static struct weir_builder *builder;
static struct weir_topology *topology;
static struct weir_test *test;

/* ---- structs --------------------------------------------------------------------------------- */

struct money {
    int64_t amount;
    int32_t scale;
};

struct sale {
    struct money price; /* first: its amount has the address of the sale */
    double weight;
    struct weir_slice note;
    char merchant[16];
    union {
        int64_t number;
        double measure;
    } extra;
    int32_t undeclared[4];
};

static const struct weir_field money_fields[] = {
    WEIR_FIELD_INT64(struct money, amount),
    WEIR_FIELD_INT32(struct money, scale),
};
static const struct weir_struct_type money_type = {"money", sizeof(struct money), 1, money_fields,
                                                   2};
static const struct weir_serde money_serde = WEIR_STRUCT_SERDE(&money_type, struct money);

static const struct weir_field sale_fields[] = {
    WEIR_FIELD_STRUCT(struct sale, price, &money_type),
    WEIR_FIELD_DOUBLE(struct sale, weight),
    WEIR_FIELD_SLICE(struct sale, note),
    WEIR_FIELD_TEXT(struct sale, merchant),
    WEIR_FIELD_INT64(struct sale, extra.number),
    WEIR_FIELD_DOUBLE(struct sale, extra.measure),
};
static const struct weir_struct_type sale_type = {"sale", sizeof(struct sale), 1, sale_fields, 6};
static const struct weir_serde sale_serde = WEIR_STRUCT_SERDE(&sale_type, struct sale);

/* The same C struct, stored with fewer fields. */
static const struct weir_field brief_fields[] = {
    WEIR_FIELD_DOUBLE(struct sale, weight),
    WEIR_FIELD_TEXT(struct sale, merchant),
};
static const struct weir_struct_type brief_type = {"brief", sizeof(struct sale), 1, brief_fields,
                                                   2};
static const struct weir_serde brief_serde = WEIR_STRUCT_SERDE(&brief_type, struct sale);

/* A serde of the user's own: nothing is known of its objects. */
static size_t own_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                            const void *const *objects, size_t count, struct weir_slice *bytes_out)
{
    (void)serde;
    (void)call;
    for (size_t i = 0; i < count; i++)
        bytes_out[i] = objects[i] != NULL ? weir_slice(objects[i], 8) : weir_null();
    return count;
}

static size_t own_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                              const struct weir_slice *bytes, size_t count,
                              const void **objects_out)
{
    (void)serde;
    (void)call;
    for (size_t i = 0; i < count; i++)
        objects_out[i] = bytes[i].data;
    return count;
}

/* Copies of plain serdes: one with functions of its own, whose objects are whatever those take, and one under
 * another name. The plain ones are no constants that an initializer could copy. */
static struct weir_serde copied_serde;
static struct weir_serde renamed_serde;

static void make_copies(void)
{
    copied_serde = *WEIR_BYTES;
    copied_serde.name = "copied";
    copied_serde.serialize = own_serialize;
    copied_serde.deserialize = own_deserialize;
    renamed_serde = *WEIR_INT64;
    renamed_serde.name = "cents";
}

static const struct weir_serde own_serde = {"own", 8, own_serialize, own_deserialize, NULL};

/* ---- the stage ------------------------------------------------------------------------------- */

static void start_with(enum weir_on_error policy)
{
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT, .application_id = "test", .on_processing_error = policy};
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    test = weir_test_new(topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
}

static void start(void)
{
    start_with(WEIR_ON_ERROR_FAIL);
}

static void finish(void)
{
    weir_test_free(test);
    weir_topology_free(topology);
}

static struct weir_stream *in(const struct weir_serde *value)
{
    builder = weir_builder_new();
    return weir_stream(builder, "in", WEIR_STRING, value);
}

static int pipe_to(const char *topic, const struct weir_serde *serde, const void *value)
{
    const struct weir_slice key = weir_text("k");
    int rc = weir_test_pipe(test, topic, -1, WEIR_STRING, &key, serde, value, 1);
    return rc < 0 ? rc : weir_test_commit(test);
}

/* A record of the kind that `serde` writes. */
static int pipe(const struct weir_serde *serde)
{
    static const int32_t small = 7;
    static const int64_t large = 7;
    static const struct money money = {7, 2};
    static const double fraction = 0.5;
    const struct weir_slice text = weir_text("seventy!");
    const struct sale sale = {
        .price = {7, 2}, .weight = 0.5, .note = weir_text("noted"), .merchant = "shop"};
    const void *value = serde == WEIR_INT32     ? (const void *)&small
                        : serde == WEIR_INT64   ? (const void *)&large
                        : serde == WEIR_DOUBLE  ? (const void *)&fraction
                        : serde == &sale_serde  ? (const void *)&sale
                        : serde == &money_serde ? (const void *)&money
                                                : (const void *)&text;
    return pipe_to("in", serde, value);
}

static void expect_refused(int rc, const char *what)
{
    ck_assert_msg(rc < 0, "not refused: %s", what);
    ck_assert_int_lt(weir_test_error(test, &error), 0);
    ck_assert_msg(strstr(error.text, what) != NULL, "'%s' is not in: %s", what, error.text);
    finish();
}

/* One record was written, of `size` bytes. */
static void expect_written(int rc, size_t size, const char *what)
{
    struct weir_record record;
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_assert_msg(rc >= 0, "%s: %s", what, error.text);
    ck_assert_msg(weir_test_read(test, "out", &record, NULL) == 0, "nothing written: %s", what);
    ck_assert_msg(record.value.size == size, "%zu bytes: %s", record.value.size, what);
    finish();
}

/* ---- a value's map --------------------------------------------------------------------------- */

/* A function of `value` (and `call`, `key`), as an expression of what it gives. */
#define MAP(name, expression)                                                                      \
    static int name(struct weir_call *call, const void *key, const void *value,                    \
                    const void **value_out)                                                        \
    {                                                                                              \
        (void)call;                                                                                \
        (void)key;                                                                                 \
        (void)value;                                                                               \
        *value_out = (expression);                                                                 \
        return 0;                                                                                  \
    }

#define SALE ((const struct sale *)value)

struct holder {
    struct weir_slice slice;
    char bytes[8];
};

static const void *hold(struct weir_call *call)
{
    struct holder *holder = WEIR_NEW(call, struct holder);
    if (holder == NULL) return NULL;
    memcpy(holder->bytes, "held", 4);
    holder->slice = weir_slice(holder->bytes, 4);
    return &holder->slice;
}

static const void *new_slice(struct weir_call *call)
{
    struct weir_slice *slice = WEIR_NEW(call, struct weir_slice);
    if (slice != NULL) *slice = weir_text("new");
    return slice;
}

static const int64_t constant = 1;

MAP(give_value, value)
MAP(give_key, key)
MAP(give_note, &SALE->note)
MAP(give_note_size, &SALE->note.size)
MAP(give_weight, &SALE->weight)
MAP(give_merchant, &SALE->merchant)
MAP(give_inside_merchant, SALE->merchant + 8)
MAP(give_scale, &SALE->price.scale)
MAP(give_price, &SALE->price)
MAP(give_amount, &SALE->price.amount)
MAP(give_number, &SALE->extra.number)
MAP(give_measure, &SALE->extra.measure)
MAP(give_undeclared, &SALE->undeclared)
MAP(give_size, &((const struct weir_slice *)value)->size)
MAP(give_text, weir_call_printf(call, "text"))
MAP(give_new_slice, new_slice(call))
MAP(give_holder, hold(call))
MAP(give_int32, weir_call_int32(call, -1))
MAP(give_int64, weir_call_int64(call, *(const int32_t *)value))
MAP(give_double, weir_call_double(call, 1))
MAP(give_slice, weir_call_slice(call, weir_text("text")))
MAP(give_null_slice, weir_call_slice(call, weir_null()))
MAP(give_new_int, WEIR_NEW(call, int))
MAP(give_new_char, WEIR_NEW(call, char))
MAP(give_new_float, WEIR_NEW(call, float))
MAP(give_new_double, WEIR_NEW(call, double))
MAP(give_new_size, WEIR_NEW(call, size_t))
MAP(give_new_long_long, WEIR_NEW(call, unsigned long long))
MAP(give_new_money, WEIR_NEW(call, struct money))
MAP(give_new_sale, WEIR_NEW(call, struct sale))
MAP(give_constant, &constant)

struct map_case {
    const char *what; /* refused: in the error; else a name */
    weir_map_values_fn map;
    const struct weir_serde *in;
    const struct weir_serde *out;
    size_t size; /* of what is written */
};

static const struct map_case refused[] = {
    /* the input passed on */
    {"the value that the function gave is the record's value (string), and its serde is int64",
     give_value, WEIR_STRING, WEIR_INT64, 0},
    {"the record's value (bytes), and its serde is double", give_value, WEIR_BYTES, WEIR_DOUBLE, 0},
    {"the record's value (string), and its serde is int32", give_value, WEIR_STRING, WEIR_INT32, 0},
    {"the record's value (string), and its serde is money", give_value, WEIR_STRING, &money_serde,
     0},
    {"the record's key (string), and its serde is int64", give_key, WEIR_INT64, WEIR_INT64, 0},
    {"the record's value (int64), and its serde is string", give_value, WEIR_INT64, WEIR_STRING, 0},
    {"the record's value (int64), and its serde is double", give_value, WEIR_INT64, WEIR_DOUBLE, 0},
    {"the record's value (int64), and its serde is int32", give_value, WEIR_INT64, WEIR_INT32, 0},
    {"the record's value (int32), and its serde is int64", give_value, WEIR_INT32, WEIR_INT64, 0},
    {"the record's value (double), and its serde is int64", give_value, WEIR_DOUBLE, WEIR_INT64, 0},
    {"the record's value (money), and its serde is string", give_value, &money_serde, WEIR_STRING,
     0},
    {"and its serde is sale", give_value, &money_serde, &sale_serde, 0},
    /* a field */
    {"'note' of the record's value (slice), and its serde is int64", give_note, &sale_serde,
     WEIR_INT64, 0},
    {"'weight' of the record's value (double), and its serde is int64", give_weight, &sale_serde,
     WEIR_INT64, 0},
    {"'merchant' of the record's value (char array), and its serde is string", give_merchant,
     &sale_serde, WEIR_STRING, 0},
    {"'merchant' of the record's value (char array), and its serde is int64", give_inside_merchant,
     &sale_serde, WEIR_INT64, 0},
    {"'scale' of the record's value (int32), and its serde is int64", give_scale, &sale_serde,
     WEIR_INT64, 0},
    {"'extra.number' of the record's value", give_number, &sale_serde, WEIR_STRING, 0},
    /* new ones */
    {"a new slice of 16 bytes, and its serde is int32", give_text, WEIR_STRING, WEIR_INT32, 0},
    {"a new slice of 16 bytes, and its serde is money", give_text, WEIR_STRING, &money_serde, 0},
    {"a new slice of 16 bytes, and its serde is int64", give_new_slice, WEIR_STRING, WEIR_INT64, 0},
    {"a new slice of 16 bytes, and its serde is double", give_slice, WEIR_STRING, WEIR_DOUBLE, 0},
    {"a new int32 of 4 bytes, and its serde is int64", give_int32, WEIR_STRING, WEIR_INT64, 0},
    {"a new int32 of 4 bytes, and its serde is int64", give_new_int, WEIR_STRING, WEIR_INT64, 0},
    {"a new int64 of 8 bytes, and its serde is double", give_new_size, WEIR_STRING, WEIR_DOUBLE, 0},
    {"a new int64 of 8 bytes, and its serde is string", give_new_size, WEIR_STRING, WEIR_STRING, 0},
    {"a new double of 8 bytes, and its serde is int64", give_double, WEIR_STRING, WEIR_INT64, 0},
    {"a new double of 8 bytes, and its serde is int64", give_new_double, WEIR_STRING, WEIR_INT64,
     0},
    {"a new object of 1 bytes, and its serde is int32", give_new_char, WEIR_STRING, WEIR_INT32, 0},
    {"a new object of 4 bytes, and its serde is double", give_new_float, WEIR_STRING, WEIR_DOUBLE,
     0},
    {"a new object of 16 bytes, and its serde is sale", give_new_money, WEIR_STRING, &sale_serde,
     0},
};
enum { REFUSED = sizeof refused / sizeof *refused };

static const struct map_case written[] = {
    {"a string is bytes", give_value, WEIR_STRING, WEIR_BYTES, 8},
    {"bytes are a string", give_value, WEIR_BYTES, WEIR_STRING, 8},
    {"itself", give_value, &sale_serde, &sale_serde, 1 + 12 + 8 + 6 + 5 + 16},
    {"the key, of the same kind", give_key, WEIR_INT64, WEIR_STRING, 1},
    {"the first field of the first field", give_value, &sale_serde, WEIR_INT64, 8},
    {"that field by its name", give_amount, &sale_serde, WEIR_INT64, 8},
    {"a struct within", give_price, &sale_serde, &money_serde, 13},
    {"a struct within that is first", give_value, &sale_serde, &money_serde, 13},
    {"fewer fields of one struct", give_value, &sale_serde, &brief_serde, 1 + 8 + 5},
    {"a slice in it", give_note, &sale_serde, WEIR_STRING, 5},
    {"the size of a slice in it", give_note_size, &sale_serde, WEIR_INT64, 8},
    {"the size of a string", give_size, WEIR_STRING, WEIR_INT64, 8},
    {"a number in it", give_weight, &sale_serde, WEIR_DOUBLE, 8},
    {"an int32 in it", give_scale, &sale_serde, WEIR_INT32, 4},
    {"a union's first member", give_number, &sale_serde, WEIR_INT64, 8},
    {"its second", give_measure, &sale_serde, WEIR_DOUBLE, 8},
    {"a member that is not stored", give_undeclared, &sale_serde, WEIR_INT64, 8},
    {"a text", give_text, WEIR_STRING, WEIR_STRING, 4},
    {"a new slice", give_new_slice, WEIR_STRING, WEIR_BYTES, 3},
    {"a new struct that begins with a slice", give_holder, WEIR_STRING, WEIR_STRING, 4},
    {"a call's slice", give_slice, WEIR_STRING, WEIR_STRING, 4},
    {"no slice", give_null_slice, WEIR_STRING, WEIR_INT64, 0},
    {"a call's int32", give_int32, WEIR_STRING, WEIR_INT32, 4},
    {"a call's int64 of an int32", give_int64, WEIR_INT32, WEIR_INT64, 8},
    {"a call's double", give_double, WEIR_STRING, WEIR_DOUBLE, 8},
    {"a new int", give_new_int, WEIR_STRING, WEIR_INT32, 4},
    {"a new size", give_new_size, WEIR_STRING, WEIR_INT64, 8},
    {"a new long long", give_new_long_long, WEIR_STRING, WEIR_INT64, 8},
    {"a new struct", give_new_sale, WEIR_STRING, &sale_serde, 1 + 12 + 8 + 1 + 1 + 16},
    {"a new struct for the struct it begins with", give_new_sale, WEIR_STRING, &money_serde, 13},
    {"a constant", give_constant, WEIR_STRING, WEIR_INT64, 8},
    {"a serde of one's own", give_value, WEIR_INT64, &own_serde, 8},
    {"a new number under it", give_new_double, WEIR_STRING, &own_serde, 8},
};
enum { WRITTEN = sizeof written / sizeof *written };

static int run_map(const struct map_case *map_case)
{
    weir_to(weir_map_values(in(map_case->in), map_case->map, NULL, map_case->out), "out");
    start();
    return pipe(map_case->in);
}

START_TEST(a_value_of_another_kind_is_refused)
{
    expect_refused(run_map(&refused[_i]), refused[_i].what);
}
END_TEST

START_TEST(a_value_of_the_declared_kind_is_written)
{
    expect_written(run_map(&written[_i]), written[_i].size, written[_i].what);
}
END_TEST

/* ---- the other functions --------------------------------------------------------------------- */

static int select_value(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    return give_value(call, key, value, key_out);
}

static int swap(struct weir_call *call, const void *key, const void *value, const void **key_out,
                const void **value_out)
{
    (void)call;
    *key_out = value;
    *value_out = key;
    return 0;
}

static int emit_value(struct weir_call *call, const void *key, const void *value,
                      struct weir_emitter *emitter)
{
    (void)call;
    (void)weir_emit(emitter, key, value); /* its result does not matter: the record fails */
    (void)weir_emit(emitter, key, NULL);
    return 0;
}

static int join_key(struct weir_call *call, const void *key, const void *value,
                    const void *table_value, const void **value_out)
{
    (void)table_value;
    return give_key(call, key, value, value_out);
}

static int join_table(struct weir_call *call, const void *key, const void *value,
                      const void *table_value, const void **value_out)
{
    (void)value;
    return give_value(call, key, table_value, value_out);
}

static int reduce_text(struct weir_call *call, const void *aggregate, const void *value,
                       const void **aggregate_out)
{
    (void)aggregate;
    return give_text(call, NULL, value, aggregate_out);
}

START_TEST(a_selected_key_of_another_kind_is_refused)
{
    weir_to(weir_select_key(in(WEIR_STRING), select_value, NULL, WEIR_INT64), "out");
    start();
    expect_refused(pipe(WEIR_STRING),
                   "the key that the function gave is the record's value (string), and its serde "
                   "is int64 (8 bytes): declare the serde of what is given, or give what int64 "
                   "takes");
}
END_TEST

START_TEST(a_swap_needs_swapped_serdes)
{
    weir_to(weir_map(in(WEIR_INT64), swap, NULL, WEIR_STRING, WEIR_INT64), "out");
    start();
    expect_refused(pipe(WEIR_INT64),
                   "the key that the function gave is the record's value (int64)");

    weir_to(weir_map(in(WEIR_INT64), swap, NULL, WEIR_INT64, WEIR_STRING), "out");
    start();
    expect_written(pipe(WEIR_INT64), 1, "swapped");
}
END_TEST

START_TEST(a_copied_serde_with_functions_of_its_own_takes_its_own_objects)
{
    make_copies();
    weir_to(weir_map_values(in(WEIR_INT64), give_value, NULL, &copied_serde), "out");
    start();
    expect_written(pipe(WEIR_INT64), 8, "what its functions take");
}
END_TEST

START_TEST(a_refusal_names_the_serde_that_was_declared)
{
    make_copies();
    weir_to(weir_map_values(in(WEIR_STRING), give_value, NULL, &renamed_serde), "out");
    start();
    expect_refused(pipe(WEIR_STRING), "the record's value (string), and its serde is cents (int64, "
                                      "8 bytes): declare the serde of what is given");
}
END_TEST

/* All of a record's rows or none: the one behind the refused one does not go on, either. */
START_TEST(an_emitted_value_of_another_kind_fails_its_record)
{
    for (int skips = 0; skips < 2; skips++) {
        weir_to(weir_flat_map(in(WEIR_STRING), emit_value, NULL, WEIR_STRING, WEIR_INT64), "out");
        start_with(skips ? WEIR_ON_ERROR_SKIP : WEIR_ON_ERROR_FAIL);
        int rc = pipe(WEIR_STRING);
        if (!skips) {
            expect_refused(rc, "the record's value (string), and its serde is int64");
            continue;
        }
        struct weir_streams_metrics metrics;
        struct weir_record record;
        ck_ok(rc, NULL);
        ck_assert_int_eq(weir_test_read(test, "out", &record, NULL), WEIR_END);
        weir_test_metrics(test, &metrics);
        ck_assert_int_eq(metrics.records_failed, 1);
        finish();
    }
}
END_TEST

static int run_join(weir_join_fn join, const struct weir_serde *out)
{
    struct weir_stream *stream = in(WEIR_STRING);
    struct weir_table *table = weir_table(builder, "table", WEIR_STRING, WEIR_INT64, NULL);
    weir_to(weir_join(stream, table, join, NULL, out), "out");
    start();
    ck_ok(pipe_to("table", WEIR_INT64, &constant), NULL);
    return pipe(WEIR_STRING);
}

START_TEST(a_joined_value_of_another_kind_is_refused)
{
    expect_refused(run_join(join_table, WEIR_DOUBLE),
                   "the table's value (int64), and its serde is double");
    expect_refused(run_join(join_key, WEIR_INT64),
                   "the record's key (string), and its serde is int64");
    expect_written(run_join(join_table, WEIR_INT64), 8, "the table's value");
}
END_TEST

START_TEST(a_reduced_value_of_another_kind_is_refused)
{
    struct weir_table *table =
        weir_reduce(weir_group_by_key(in(WEIR_INT32)), reduce_text, NULL, NULL);
    weir_to(weir_to_stream(table), "out");
    start();
    ck_ok(pipe(WEIR_INT32), NULL);
    expect_refused(pipe(WEIR_INT32), "a new slice of 16 bytes, and its serde is int32");
}
END_TEST

static int windowed_start(struct weir_call *call, const void *key, const void *value,
                          const void **key_out)
{
    (void)call;
    (void)value;
    *key_out = &((const struct weir_windowed_key *)key)->start_ms;
    return 0;
}

static int key_in_window(struct weir_call *call, const void *key, const void *value,
                         const void **key_out)
{
    (void)call;
    (void)value;
    *key_out = ((const struct weir_windowed_key *)key)->key;
    return 0;
}

static int same_key(struct weir_call *call, const void *key, const void *value,
                    const void **key_out)
{
    return give_key(call, key, value, key_out);
}

static int run_windowed(weir_select_key_fn select, const struct weir_serde *key)
{
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(in(WEIR_STRING)), (struct weir_tumbling){.size_ms = 10});
    struct weir_stream *counts = weir_to_stream(weir_windowed_count(windowed, NULL));
    weir_to(weir_select_key(counts, select, NULL, key), "out");
    start();
    return pipe(WEIR_STRING);
}

START_TEST(a_windowed_key_is_no_plain_key)
{
    expect_refused(run_windowed(same_key, WEIR_STRING),
                   "the record's key (windowed), and its serde is string");
    expect_refused(run_windowed(key_in_window, WEIR_INT64),
                   "the key in the record's windowed key (string), and its serde is int64");
    expect_written(run_windowed(key_in_window, WEIR_STRING), 8, "the key in the window");
    expect_written(run_windowed(windowed_start, WEIR_INT64), 8, "a window's start");
}
END_TEST

/* ---- processors ------------------------------------------------------------------------------ */

static const char *const store_names[] = {"store", NULL};

/* What is given where, by number. */
enum { FORWARD, PUT_KEY, PUT_VALUE, GET, FORWARD_STORED, FORWARD_CALLED, ACTS };

static int act(struct weir_process *process, int number, struct weir_call *call, const void *key,
               const void *value)
{
    struct weir_store *store = weir_process_store(process, "store");
    const void *found = NULL;
    switch (number) {
    case FORWARD:
        return weir_process_forward(process, key, value, -1);
    case PUT_KEY:
        return weir_store_put(process, store, value, &constant);
    case PUT_VALUE:
        return weir_store_put(process, store, key, value);
    case GET:
        return weir_store_get(process, store, value, &found);
    case FORWARD_STORED: {
        int rc = weir_store_put(process, store, key, &constant);
        if (rc == 0) rc = weir_store_get(process, store, key, &found);
        return rc < 0 ? rc : weir_process_forward(process, key, found, -1);
    }
    default:
        return weir_process_forward(process, key, weir_call_double(call, 1), -1);
    }
}

static int process_and_ignore(struct weir_process *process, void *state, struct weir_call *call,
                              const void *key, const void *value)
{
    (void)state;
    (void)act(process, *(const int *)call->context, call, key, value);
    const void *found; /* and something that goes well */
    return weir_store_get(process, weir_process_store(process, "store"), key, &found);
}

static int run_processor(int number, const struct weir_serde *value, const struct weir_serde *out)
{
    struct weir_stream *stream = in(value);
    weir_add_store(builder, "store", WEIR_STRING, WEIR_INT64, NULL);
    const struct weir_processor processor = {
        .process = process_and_ignore, .stores = store_names, .context = &number};
    weir_to(weir_process_values(stream, &processor, out), "out");
    start();
    return pipe(value);
}

START_TEST(what_a_processor_hands_over_is_held_against_its_serde)
{
    expect_refused(run_processor(FORWARD, WEIR_STRING, WEIR_INT64),
                   "the value that the function gave is the record's value (string)");
    expect_refused(run_processor(PUT_KEY, WEIR_DOUBLE, WEIR_INT64),
                   "the store's key that the function gave is the record's value (double), and its "
                   "serde is string");
    expect_refused(run_processor(PUT_VALUE, WEIR_STRING, WEIR_INT64),
                   "the store's value that the function gave is the record's value (string)");
    expect_refused(run_processor(GET, WEIR_INT64, WEIR_INT64),
                   "the store's key that the function gave is the record's value (int64)");
    expect_refused(run_processor(FORWARD_STORED, WEIR_STRING, WEIR_DOUBLE),
                   "a new int64 of 8 bytes, and its serde is double");
    expect_refused(run_processor(FORWARD_CALLED, WEIR_STRING, WEIR_INT64),
                   "a new double of 8 bytes, and its serde is int64");
    expect_written(run_processor(FORWARD, WEIR_STRING, WEIR_BYTES), 8, "forwarded");
    expect_written(run_processor(FORWARD_STORED, WEIR_STRING, WEIR_INT64), 8, "a store's value");
}
END_TEST

static int forward_text(struct weir_process *process, void *state, struct weir_call *call,
                        int64_t time_ms)
{
    (void)state;
    (void)time_ms;
    (void)weir_process_forward(process, NULL, weir_call_printf(call, "text"), -1);
    return 0;
}

static int schedule(struct weir_process *process, void *state, struct weir_call *call)
{
    (void)state;
    (void)call;
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 10, forward_text);
}

static int no_record(struct weir_process *process, void *state, struct weir_call *call,
                     const void *key, const void *value)
{
    (void)process;
    (void)state;
    (void)call;
    (void)key;
    (void)value;
    return 0;
}

START_TEST(a_timer_that_forwards_another_kind_fails)
{
    const struct weir_processor processor = {.init = schedule, .process = no_record};
    weir_to(weir_process(in(WEIR_STRING), &processor, NULL, WEIR_INT64), "out");
    start();
    expect_refused(pipe(WEIR_STRING), "a new slice of 16 bytes, and its serde is int64");
}
END_TEST

static int put_and_ignore(struct weir_process *process, void *state, struct weir_call *call)
{
    static const struct weir_slice key = {(const uint8_t *)"k", 1};
    (void)state;
    (void)weir_store_put(process, weir_process_store(process, "store"), &key,
                         weir_call_double(call, 1));
    return 0;
}

START_TEST(an_init_that_stores_another_kind_fails)
{
    const struct weir_processor processor = {
        .init = put_and_ignore, .process = no_record, .stores = store_names};
    struct weir_stream *stream = in(WEIR_STRING);
    weir_add_store(builder, "store", WEIR_STRING, WEIR_INT64, NULL);
    weir_to(weir_process(stream, &processor, NULL, WEIR_INT64), "out");
    topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const struct weir_streams_options streams = {WEIR_STREAMS_OPTIONS_INIT,
                                                 .application_id = "test"};
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    ck_assert_ptr_null(weir_test_new(topology, &options, &error));
    ck_assert_int_eq(error.code, WEIR_SERDE);
    ck_assert_ptr_nonnull(strstr(error.text, "the store's value that the function gave is a new "
                                             "double of 8 bytes, and its serde is int64"));
    weir_topology_free(topology);
}
END_TEST

/* ---- many records ---------------------------------------------------------------------------- */

/* New objects of an earlier batch leave their notes on memory that is used again. Batches of one record
 * that makes many slices alternate with batches of several, which begin further on in that memory with
 * objects of which there is none. */
static int slices_or_a_number(struct weir_call *call, const void *key, const void *value,
                              const void **value_out)
{
    const struct weir_slice *text = value;
    (void)key;
    if (text->data[0] == 'n') {
        *value_out = weir_scope_alloc(call->scope, sizeof(double));
        return 0;
    }
    for (int i = 0; i < 200; i++) {
        if (WEIR_NEW(call, struct weir_slice) == NULL) return WEIR_NO_MEMORY;
    }
    *value_out = weir_call_double(call, 1);
    return 0;
}

static void pipe_text(const char *text, bool run)
{
    const struct weir_record record = {
        .key = weir_text("k"), .value = weir_text(text), .timestamp_ms = 1};
    int rc = weir_test_pipe_bytes(test, "in", -1, &record, run);
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_ok(rc, &error);
}

START_TEST(memory_that_is_used_again_is_not_mistaken)
{
    weir_to(weir_map_values(in(WEIR_STRING), slices_or_a_number, NULL, WEIR_DOUBLE), "out");
    start();
    size_t expected = 0;
    for (size_t rows = 1; rows < 40; rows++) {
        pipe_text("slices", true);
        for (size_t i = 1; i < rows; i++)
            pipe_text("number", false);
        pipe_text("number", true);
        expected += rows + 1;
    }
    ck_ok(weir_test_commit(test), NULL);
    struct weir_record record;
    size_t found = 0;
    while (weir_test_read(test, "out", &record, NULL) == 0)
        found += record.value.size == 8;
    ck_assert_uint_eq(found, expected);
    finish();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("kinds");
    tcase_add_loop_test(tests, a_value_of_another_kind_is_refused, 0, REFUSED);
    tcase_add_loop_test(tests, a_value_of_the_declared_kind_is_written, 0, WRITTEN);
    tcase_add_test(tests, a_selected_key_of_another_kind_is_refused);
    tcase_add_test(tests, a_swap_needs_swapped_serdes);
    tcase_add_test(tests, an_emitted_value_of_another_kind_fails_its_record);
    tcase_add_test(tests, a_joined_value_of_another_kind_is_refused);
    tcase_add_test(tests, a_reduced_value_of_another_kind_is_refused);
    tcase_add_test(tests, a_windowed_key_is_no_plain_key);
    tcase_add_test(tests, what_a_processor_hands_over_is_held_against_its_serde);
    tcase_add_test(tests, a_timer_that_forwards_another_kind_fails);
    tcase_add_test(tests, an_init_that_stores_another_kind_fails);
    tcase_add_test(tests, a_copied_serde_with_functions_of_its_own_takes_its_own_objects);
    tcase_add_test(tests, a_refusal_names_the_serde_that_was_declared);
    tcase_add_test(tests, memory_that_is_used_again_is_not_mistaken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("kinds", add);
}
