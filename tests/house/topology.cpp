// A user's topology in C++: every kind of callback, a declared struct, options, a processor with a store and a
// timer, on the test driver. install.sh compiles it against an installed Weir, without a warning, and runs it.
#include <weir.h>
#include <weir/test.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct reading {
    char place[32];
    double celsius;
    int64_t count;
};
const struct weir_field reading_fields[] = {
    WEIR_FIELD_TEXT(reading, place),
    WEIR_FIELD_DOUBLE(reading, celsius),
    WEIR_FIELD_INT64(reading, count),
};
const struct weir_struct_type reading_type = {"reading", sizeof(reading), 1, reading_fields, 3};
const struct weir_serde reading_serde = WEIR_STRUCT_SERDE(&reading_type, reading);

void check(bool holds, const char *what)
{
    if (holds) return;
    std::fprintf(stderr, "FAILED: %s\n", what);
    std::exit(1);
}

template <class T> const T *as(const void *object)
{
    return static_cast<const T *>(object);
}

int is_warm(struct weir_call *, const void *, const void *value)
{
    return as<reading>(value)->celsius > 0;
}

int to_place(struct weir_call *call, const void *, const void *value, const void **key_out)
{
    *key_out = weir_call_printf(call, "%s", as<reading>(value)->place);
    return 0;
}

int to_text(struct weir_call *call, const void *, const void *value, const void **value_out)
{
    *value_out = weir_call_printf(call, "%s %.1f", as<reading>(value)->place, as<reading>(value)->celsius);
    return 0;
}

static_assert(WEIR_KIND_OF(int32_t) == WEIR_FIELD_KIND_INT32, "as in C");
static_assert(WEIR_KIND_OF(int64_t) == WEIR_FIELD_KIND_INT64, "as in C");
static_assert(WEIR_KIND_OF(unsigned long long) == WEIR_FIELD_KIND_INT64, "as in C");
static_assert(WEIR_KIND_OF(double) == WEIR_FIELD_KIND_DOUBLE, "as in C");
static_assert(WEIR_KIND_OF(struct weir_slice) == WEIR_FIELD_KIND_SLICE, "as in C");
static_assert(WEIR_KIND_OF(reading) == 0 && WEIR_KIND_OF(char) == 0, "as in C");

int both(struct weir_call *call, const void *key, const void *value, struct weir_emitter *emitter)
{
    reading *copy = WEIR_NEW(call, reading);
    if (copy == nullptr) return WEIR_NO_MEMORY;
    *copy = *as<reading>(value);
    int rc = weir_emit(emitter, key, copy);
    return rc < 0 ? rc : weir_emit(emitter, key, value);
}

int same(struct weir_call *, const void *key, const void *value, const void **key_out, const void **value_out)
{
    *key_out = key;
    *value_out = value;
    return 0;
}

int add(struct weir_call *, const void *, const void *value, void *aggregate)
{
    auto *sum = static_cast<reading *>(aggregate);
    sum->celsius += as<reading>(value)->celsius;
    sum->count += 1;
    return 0;
}

int warmer(struct weir_call *, const void *aggregate, const void *value, const void **aggregate_out)
{
    bool is_warmer = as<reading>(value)->celsius > as<reading>(aggregate)->celsius;
    *aggregate_out = is_warmer ? value : aggregate;
    return 0;
}

int with_name(struct weir_call *call, const void *, const void *value, const void *name, const void **value_out)
{
    const auto *text = as<struct weir_slice>(name);
    const int size = text != nullptr ? static_cast<int>(text->size) : 0;
    const char *data = text != nullptr ? reinterpret_cast<const char *>(text->data) : "";
    *value_out = weir_call_printf(call, "%.*s: %.1f", size, data, as<reading>(value)->celsius);
    return 0;
}

struct visits {
    int windows;
    int records;
};
int visit_window(struct weir_call *call, const void *key, const void *value)
{
    const auto *window = as<struct weir_windowed_key>(key);
    check(window->end_ms - window->start_ms == 60000 && *as<int64_t>(value) > 0, "a window's key and count");
    static_cast<visits *>(call->context)->windows++;
    return 0;
}

struct last_seen {
    struct weir_store *store;
};
int tick(struct weir_process *, void *, struct weir_call *, int64_t)
{
    return 0;
}
int open_last_seen(struct weir_process *process, void *state, struct weir_call *)
{
    static_cast<last_seen *>(state)->store = weir_process_store(process, "last");
    return weir_process_schedule(process, WEIR_PUNCTUATE_STREAM_TIME, 1000, tick);
}
int note_last(struct weir_process *process, void *state, struct weir_call *, const void *key, const void *value)
{
    int rc = weir_store_put(process, static_cast<last_seen *>(state)->store, key, value);
    return rc < 0 ? rc : weir_process_forward(process, key, value, -1);
}

struct weir_topology *declare(visits *seen, struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *readings = weir_stream(builder, "readings", WEIR_STRING, &reading_serde);
    weir_peek(readings, [](struct weir_call *call, const void *, const void *) {
        static_cast<visits *>(call->context)->records++;
        return 0;
    }, seen);
    struct weir_stream *warm = weir_filter(readings, is_warm, nullptr);
    struct weir_stream *by_place = weir_select_key(warm, to_place, nullptr, WEIR_STRING);

    struct weir_materialized counts{};
    counts.name = "counts";
    weir_count(weir_group_by_key(by_place), &counts);
    weir_reduce(weir_group_by_key(by_place), warmer, nullptr, nullptr);
    weir_aggregate(weir_group_by(warm, to_place, nullptr, WEIR_STRING), nullptr, add, nullptr, &reading_serde, nullptr);
    struct weir_tumbling minute{};
    minute.size_ms = 60000;
    weir_foreach(weir_to_stream(weir_windowed_count(weir_windowed_by(weir_group_by_key(by_place), minute), nullptr)),
                 visit_window, seen);

    struct weir_table *names = weir_table(builder, "names", WEIR_STRING, WEIR_STRING, nullptr);
    weir_to(weir_left_join(by_place, names, with_name, nullptr, WEIR_STRING), "named");
    weir_to(weir_join(by_place, names, with_name, nullptr, WEIR_STRING), "known");

    struct weir_split *split = weir_split(readings);
    struct weir_stream *hot = weir_branch(split, [](struct weir_call *, const void *, const void *value) {
        return static_cast<int>(as<reading>(value)->celsius > 30);
    }, nullptr);
    struct weir_stream *rest = weir_branch_default(split);
    struct weir_stream *all = weir_merge(weir_map(hot, same, nullptr, WEIR_STRING, &reading_serde), rest);
    weir_to(weir_map_values(weir_flat_map(all, both, nullptr, WEIR_STRING, &reading_serde), to_text, nullptr, WEIR_STRING),
            "twice");

    weir_add_store(builder, "last", WEIR_STRING, &reading_serde, nullptr);
    static const char *const stores[] = {"last", nullptr};
    struct weir_processor last{};
    last.state_size = sizeof(last_seen);
    last.init = open_last_seen;
    last.process = note_last;
    last.stores = stores;
    weir_foreach(weir_process_values(readings, &last, nullptr),
                 [](struct weir_call *, const void *, const void *) { return 0; }, nullptr);

    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}

int count_of(struct weir_test *test, const char *topic)
{
    struct weir_record record;
    int count = 0;
    while (weir_test_read(test, topic, &record, nullptr) == 0) {
        count++;
    }
    return count;
}

void feed(struct weir_test *test)
{
    const struct weir_slice key = weir_text("k");
    const struct weir_slice name = weir_text("Rome");
    const struct weir_slice place = weir_text("rome");
    weir_test_pipe(test, "names", -1, WEIR_STRING, &place, WEIR_STRING, &name, 1000);
    const double degrees[] = {-3, 21, 35};
    for (double celsius : degrees) {
        reading value{};
        std::strcpy(value.place, celsius < 30 ? "rome" : "oslo");
        value.celsius = celsius;
        weir_test_pipe(test, "readings", -1, WEIR_STRING, &key, &reading_serde, &value, 2000);
    }
    weir_test_commit(test);
}

template <typename options_of> void check_size()
{
    options_of options{};
    check(options.size == sizeof options, "options know their size");
}

void check_sizes()
{
    check_size<struct weir_log_options>();
    check_size<struct weir_listen_options>();
    check_size<struct weir_producer_options>();
    check_size<struct weir_consumer_options>();
    check_size<struct weir_materialized>();
    check_size<struct weir_streams_options>();
    check_size<struct weir_test_options>();
#if __cplusplus >= 202002L
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
    struct weir_listen_options named{.address = "[::1]:0"};
    check(named.size == sizeof named, "also with designated initialisers");
    struct weir_listen_options by_macro{WEIR_LISTEN_OPTIONS_INIT, .address = "[::1]:0"};
    check(by_macro.size == sizeof by_macro, "and with the macro of C");
#endif
}

} // namespace

int main()
{
    check_sizes();
    struct weir_error error{};
    visits seen{};
    struct weir_topology *topology = declare(&seen, &error);
    if (topology == nullptr) std::fprintf(stderr, "%s\n", error.text);
    check(topology != nullptr, "the topology builds");

    struct weir_test_options options{};
    options.seed = 7;
    struct weir_test *test = weir_test_new(topology, &options, &error);
    if (test == nullptr) std::fprintf(stderr, "%s\n", error.text);
    check(test != nullptr, "the driver starts");
    feed(test);
    if (weir_test_error(test, &error) < 0) std::fprintf(stderr, "%s\n", error.text);
    check(weir_test_error(test, &error) == 0, "nothing failed");
    check(count_of(test, "twice") == 6, "each record comes twice");
    check(count_of(test, "named") == 2, "a left join lets all through");
    check(count_of(test, "known") == 1, "an inner join those with a name");
    check(seen.records == 3 && seen.windows == 2, "records and windows are visited");
    struct weir_slice value;
    check(weir_test_store_get(test, "counts", weir_text("rome"), &value) == 0, "the count is there");
    int64_t count = 0;
    check(weir_deserialize(WEIR_INT64, value, &count, &error) == 0 && count == 1, "and is 1");
    weir_test_free(test);
    weir_topology_free(topology);
    std::puts("a topology in C++ runs");
}
