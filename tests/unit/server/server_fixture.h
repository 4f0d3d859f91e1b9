#ifndef WEIR_TESTS_SERVER_FIXTURE_H
#define WEIR_TESTS_SERVER_FIXTURE_H

#include "server/server.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "tests/unit/server/raw_client.h"
#include "wire/message.h"

/**
 * An engine with a server in the simulator (node 0) and a client (node 1) that exchanges messages
 * with it:
 *
 *     struct server_stage stage;
 *     struct weir_wire_metadata_response response;
 *     server_begin(&stage, 1);
 *     ck_ok(engine_create(&stage.engine, "orders", 2), NULL);
 *     server_call(&stage, &weir_wire_metadata_request_type, 9, &request,
 *                 &weir_wire_metadata_response_type, &response);
 *     server_end(&stage);
 *
 * With settings: server_init, change stage.engine.options and stage.options, server_open.
 */
enum { SERVER_CONFIGS_MAX = 8 };

struct server_stage {
    struct engine engine;
    struct weir_server_options options;
    struct weir_config_entry configs[SERVER_CONFIGS_MAX];
    struct weir_server *server;
    struct raw_client client;
    int32_t correlation_id; /* of the last request sent */
    struct weir_heap heap;  /* the test's own memory */
    struct weir_budget budget;
    struct weir_arena arena; /* of what responses decode to */
};

void server_init(struct server_stage *stage, uint64_t seed);
/** Before server_open: a setting of the server. */
void server_config(struct server_stage *stage, const char *key, const char *value);
/** Open engine and server, connect the client. */
void server_open(struct server_stage *stage);
/** server_init and server_open. */
void server_begin(struct server_stage *stage, uint64_t seed);
/** Close all of it; nothing may be left over. */
void server_end(struct server_stage *stage);

/** The bytes of a request, size and header included, into `bytes` (appended). */
void server_encode(struct weir_buffer *bytes, const struct weir_message_type *type, int16_t version,
                   int32_t correlation_id, const void *request);
/** Ask and take the answer, which must come: its strings live until server_end. */
void server_call(struct server_stage *stage, const struct weir_message_type *request_type,
                 int16_t version, const void *request,
                 const struct weir_message_type *response_type, void *response_out);
/** Its halves, for pipelines: send gives the correlation id, receive expects it. */
int32_t server_send(struct server_stage *stage, const struct weir_message_type *type,
                    int16_t version, const void *request);
void server_receive(struct server_stage *stage, const struct weir_message_type *type,
                    int16_t version, int32_t correlation_id, void *response_out);
/** Decode an answer that came by other ways. */
void server_decode(struct server_stage *stage, const struct weir_message_type *type,
                   int16_t version, struct weir_slice frame, int32_t correlation_id,
                   void *response_out);
/** The server has closed the client's connection and sent nothing before. */
void server_expect_end(struct server_stage *stage);
struct weir_server_metrics server_metrics(const struct server_stage *stage);

#endif
