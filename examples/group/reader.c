/* A member of a group: joins, prints what it is given, commits what it has printed. Ctrl-C leaves.
 *
 *     group_reader [--listen ADDRESS] DIRECTORY GROUP TOPIC...
 *
 * With --listen Kafka clients may join the same group, by the port.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
}

static void print_partitions(const char *what, const struct weir_assigned_partition *partitions,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s %s/%d\n", what, partitions[i].topic, (int)partitions[i].partition);
    }
    fflush(stdout);
}

static void on_assigned(void *context, struct weir_consumer *consumer,
                        const struct weir_assigned_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("has", partitions, count);
}

/* The last moment at which a commit is this member's. Here each batch is committed as it is printed, so nothing is
 * left to do. */
static void on_revoked(void *context, struct weir_consumer *consumer,
                       const struct weir_assigned_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("gives up", partitions, count);
}

/* They are somebody else's already: what was not committed is read again there. */
static void on_lost(void *context, struct weir_consumer *consumer,
                    const struct weir_assigned_partition *partitions, size_t count)
{
    (void)context;
    (void)consumer;
    print_partitions("has lost", partitions, count);
}

static int print_batch(struct weir_consumer *consumer, const struct weir_batch_view *batch,
                       struct weir_error *error)
{
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct weir_record *record = &batch->records[i];
        printf("%s/%d at %lld: %.*s\n", batch->topic, (int)batch->partition,
               (long long)record->offset, (int)record->value.size,
               record->value.data != NULL ? (const char *)record->value.data : "");
    }
    fflush(stdout);
    return weir_consumer_commit(consumer, error);
}

/* A commit may find that the group has moved on: then these records are read again, here or elsewhere. */
static int read_on(struct weir_consumer *consumer, struct weir_error *error)
{
    int rc = 0;
    while (rc == 0 && !is_over) {
        struct weir_batch_view batch;
        rc = weir_consumer_poll(consumer, 500, &batch, error);
        if (rc == 0) rc = print_batch(consumer, &batch, error);
        if (rc == WEIR_END) rc = 0; /* nothing came in time */
        if (rc == WEIR_UNKNOWN_MEMBER_ID || weir_code_action(rc) == WEIR_ACTION_RETRY) rc = 0;
    }
    return rc;
}

static int listen_at(struct weir_log *log, const char *address, struct weir_error *error)
{
    struct weir_listen_options options = {WEIR_LISTEN_OPTIONS_INIT, .address = address};
    int rc = weir_listen(log, &options, error);
    if (rc == 0) printf("listening on %s\n", weir_listen_address(log));
    fflush(stdout);
    return rc;
}

/* Join, read until Ctrl-C, and leave. */
static int read_as_member(struct weir_log *log, const char *group, const char *const *topics,
                          size_t topic_count, struct weir_error *error)
{
    struct weir_consumer_options options = {
        WEIR_CONSUMER_OPTIONS_INIT, .group = group,     .on_assigned = on_assigned,
        .on_revoked = on_revoked,   .on_lost = on_lost,
    };
    struct weir_consumer *consumer = weir_consumer_new(log, &options, error);
    if (consumer == NULL) return error->code;
    int rc = weir_consumer_subscribe(consumer, topics, topic_count, error);
    if (rc == 0) rc = read_on(consumer, error);
    int closed = weir_consumer_close(consumer, rc < 0 ? NULL : error);
    return rc < 0 ? rc : closed;
}

int main(int argc, char **argv)
{
    struct weir_error error = {0};
    const char *address = NULL;
    if (argc > 2 && strcmp(argv[1], "--listen") == 0) {
        address = argv[2];
        argc -= 2;
        argv += 2;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: group_reader [--listen ADDRESS] DIRECTORY GROUP TOPIC...\n");
        return 2;
    }
    signal(SIGINT, end);
    struct weir_log *log = weir_open(argv[1], NULL, &error);
    int rc = log != NULL ? 0 : (int)error.code;
    if (rc == 0 && address != NULL) rc = listen_at(log, address, &error);
    if (rc == 0) {
        rc = read_as_member(log, argv[2], (const char *const *)&argv[3], (size_t)argc - 3, &error);
    }
    int closed = weir_close(log, rc < 0 ? NULL : &error);
    if (rc == 0) rc = closed;
    if (rc < 0) fprintf(stderr, "group_reader: %s\n", error.text);
    return rc < 0 ? 1 : 0;
}
