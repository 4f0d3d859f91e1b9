/* A socket made of another one serves whoever holds it: here one that masks each byte, as TLS would
 * encrypt it. Loop 0 is the real environment, loop 1 the simulated one. */
#include "tests/unit/base/env/socket_ends.h"

enum { MASK = 0x5a };

/* ---- a socket that masks --------------------------------------------------------------------- */

struct masked {
    struct weir_socket base;
    struct weir_socket *below;
    struct weir_socket_done read_done;
    struct weir_socket_done send_done;
    uint8_t *read_to;
    uint8_t *sending;
    struct weir_iovec part;
};

static void mask(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= MASK;
    }
}

static void masked_got(void *context, int64_t result)
{
    struct masked *masked = context;
    if (result > 0) mask(masked->read_to, (size_t)result);
    masked->read_done.call(masked->read_done.context, result);
}

static void masked_read(struct weir_socket *base, void *to, size_t size,
                        struct weir_socket_done done)
{
    struct masked *masked = (struct masked *)base;
    masked->read_to = to;
    masked->read_done = done;
    weir_socket_read(masked->below, to, size, (struct weir_socket_done){masked_got, masked});
}

static void masked_await(struct weir_socket *base, struct weir_socket_done done)
{
    weir_socket_await(((struct masked *)base)->below, done);
}

static void masked_sent(void *context, int64_t result)
{
    struct masked *masked = context;
    free(masked->sending);
    masked->sending = NULL;
    masked->send_done.call(masked->send_done.context, result);
}

static void masked_send(struct weir_socket *base, const struct weir_socket_output *output,
                        struct weir_socket_done done)
{
    struct masked *masked = (struct masked *)base;
    size_t size = 0;
    for (size_t i = 0; i < output->part_count; i++) {
        size += output->parts[i].size;
    }
    masked->sending = malloc(size + (size_t)output->size + 1);
    ck_assert_ptr_nonnull(masked->sending);
    size = 0;
    for (size_t i = 0; i < output->part_count; i++) {
        if (output->parts[i].size == 0) continue;
        memcpy(masked->sending + size, output->parts[i].base, output->parts[i].size);
        size += output->parts[i].size;
    }
    if (output->size > 0) {
        ck_assert_int_eq(weir_file_read(output->file, masked->sending + size, (size_t)output->size,
                                        output->position, NULL),
                         output->size);
        size += (size_t)output->size;
    }
    mask(masked->sending, size);
    masked->send_done = done;
    masked->part = (struct weir_iovec){masked->sending, size};
    weir_socket_write(masked->below, &masked->part, 1,
                      (struct weir_socket_done){masked_sent, masked});
}

static void masked_close(struct weir_socket *base)
{
    struct masked *masked = (struct masked *)base;
    weir_socket_close(masked->below);
    free(masked->sending);
    free(masked);
}

static const struct weir_socket_ops masked_ops = {
    .read = masked_read,
    .await = masked_await,
    .send = masked_send,
    .close = masked_close,
};

/* For `on_open`: what the end does from now on goes through the mask. */
static void wrap(struct end *end)
{
    struct masked *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    made->base = *end->socket;
    made->base.ops = &masked_ops;
    made->below = end->socket;
    end->socket = &made->base;
}

/* ---- what it promises ------------------------------------------------------------------------ */

enum { SIZE = 300000, FROM = 12345, RANGE = 200001, HEADER = 7, SENT = HEADER + RANGE };

static uint8_t content[SIZE];
static uint8_t found[SENT];

static void send_header_and_range(void *context)
{
    struct end *end = context;
    struct weir_socket_output output = {
        .parts = end->parts,
        .part_count = 3,
        .file = end->file,
        .position = end->file_position,
        .size = (int64_t)end->size,
    };
    weir_socket_send(end->socket, &output, (struct weir_socket_done){note_write, end});
}

static void transfer(struct end *server, struct end *client)
{
    struct weir_test_random random = {6};
    weir_test_random_fill(&random, content, sizeof content);
    server->file = open_file_of(content, sizeof content);
    server->parts[0] = (struct weir_iovec){"HEA", 3};
    server->parts[1] = (struct weir_iovec){NULL, 0};
    server->parts[2] = (struct weir_iovec){"DERS", 4};
    open_pair(server, client);
    on_actor(client->actor, collect_on_actor, client);
    on_actor(server->actor, send_header_and_range, server);
    wait_for(env, &server->has_written);
    wait_for(env, &client->has_read);
    ck_assert_int_eq(server->write_result, SENT);
}

/* Parts and a range of a file, through a mask on both ends, arrive as they were. */
START_TEST(what_is_sent_through_a_wrapped_socket_arrives)
{
    struct end server = {.on_open = wrap, .size = RANGE, .file_position = FROM};
    struct end client = {.on_open = wrap, .bytes = found, .size = sizeof found};
    open_env(_i);
    transfer(&server, &client);
    ck_assert_mem_eq(found, "HEADERS", HEADER);
    ck_assert_mem_eq(found + HEADER, content + FROM, RANGE);
    close_pair(&server, &client);
    weir_file_close(server.file);
    close_env();
}
END_TEST

/* With a mask on one end only the other sees masked bytes: nothing goes past the socket's operations,
 * the file's range neither. */
START_TEST(nothing_goes_past_the_operations_of_a_socket)
{
    struct end server = {.on_open = wrap, .size = RANGE, .file_position = FROM};
    struct end client = {.bytes = found, .size = sizeof found};
    open_env(_i);
    transfer(&server, &client);
    mask(found, sizeof found);
    ck_assert_mem_eq(found, "HEADERS", HEADER);
    ck_assert_mem_eq(found + HEADER, content + FROM, RANGE);
    close_pair(&server, &client);
    weir_file_close(server.file);
    close_env();
}
END_TEST

/* Closing it closes what it is made of: the read under way there is silent, and the peer sees the end. */
START_TEST(a_closed_wrapped_socket_closes_the_one_below)
{
    struct end server = {.on_open = wrap};
    struct end client = {.read_result = -1};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(server.actor, end_read_once, &server);
    on_actor(client.actor, end_read_once, &client);
    on_actor(server.actor, end_close, &server);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(client.read_result, 0);
    ck_assert_int_eq(server.call_count, 0);
    close_pair(&server, &client);
    close_env();
}
END_TEST

static void add(Suite *suite)
{
    TCase *both = tcase_create("both");
    tcase_set_timeout(both, 120);
    tcase_add_loop_test(both, what_is_sent_through_a_wrapped_socket_arrives, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, nothing_goes_past_the_operations_of_a_socket, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_closed_wrapped_socket_closes_the_one_below, 0, ENVIRONMENTS);
    suite_add_tcase(suite, both);
}

int main(void)
{
    return weir_test_main("env_socket_over", add);
}
