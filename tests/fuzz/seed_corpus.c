#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "tests/unit/wire/golden_batches.h"
#include "wire/generated/all_messages.h"
#include "wire/generated/request_header.h"
#include "wire/record_batch_internal.h"

/**
 * Write a seed for each kind of input of the targets record_batch and request_frame:
 * `seed_corpus tests/fuzz/corpus`. Run by hand when a request or a codec is added; the files are
 * committed.
 */
static void save(const char *folder, const char *target, const char *name, struct weir_slice bytes)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, target, name); /* else fopen fails */
    FILE *file = fopen(path, "wb");
    weir_assert(file != NULL);
    weir_assert(fwrite(bytes.data, 1, bytes.size, file) == bytes.size);
    weir_assert(fclose(file) == 0);
}

/* Each request as it comes in, at its defaults, in each version: header and body. */
static void save_frames(const char *folder, struct weir_buffer *buffer)
{
    for (size_t i = 0; i < WEIR_ALL_MESSAGES_COUNT; i++) {
        const struct weir_message_type *type = weir_all_messages[i];
        const char *suffix = strstr(type->name, "Request");
        if (suffix == NULL || strcmp(suffix, "Request") != 0) continue;
        max_align_t message[64];
        weir_assert(type->struct_size <= sizeof message);
        type->init(message);
        for (int16_t version = type->version_min; version <= type->version_max; version++) {
            struct weir_request_header header = {
                .request_api_key = type->api_key,
                .request_api_version = version,
                .correlation_id = 7,
                .client_id = weir_text("seed"),
            };
            weir_buffer_reset(buffer);
            int16_t header_version = version >= type->flexible_from ? 2 : 1;
            weir_assert(weir_request_header_encode(&header, header_version, buffer) == 0);
            int rc = weir_message_encode(type, message, version, buffer);
            if (rc == WEIR_INVALID_ARGUMENT) continue; /* no defaults in this version */
            weir_assert(rc == 0);
            char name[128];
            (void)snprintf(name, sizeof name, "%s-%d", type->name, version); /* fits */
            save(folder, "request_frame", name, weir_buffer_slice(buffer));
        }
    }
}

static void save_batch(const char *folder, const char *name, struct weir_buffer *buffer,
                       uint8_t first, struct weir_slice batch)
{
    weir_buffer_reset(buffer);
    weir_buffer_u8(buffer, first);
    weir_buffer_append(buffer, batch.data, batch.size);
    weir_assert(!buffer->failed);
    save(folder, "record_batch", name, weir_buffer_slice(buffer));
}

/* Each codec, built by us, and the golden batches. */
static void save_batches(const char *folder, struct weir_budget *budget, struct weir_buffer *buffer)
{
    for (int codec = 0; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_batch_builder builder;
        weir_batch_builder_init(&builder, budget, (enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT);
        const struct weir_header header = {weir_text("header"), weir_text("value")};
        struct weir_record record = {.key = weir_text("key"),
                                     .value = weir_text("value value"),
                                     .timestamp_ms = GOLDEN_TIME_MS,
                                     .headers = &header};
        for (int i = 0; i < 5; i++) {
            record.header_count = (size_t)i % 2;
            weir_assert(weir_batch_builder_add(&builder, &record) == 0);
        }
        struct weir_slice batch;
        weir_assert(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch) == 0);
        save_batch(folder, weir_codec_name(codec), buffer, 1, batch);
        weir_batch_builder_close(&builder);
    }
#define GOLDEN(name, bytes) save_batch(folder, name, buffer, 0, weir_slice(bytes, sizeof bytes))
    GOLDEN("plain", golden_batch_plain);
    GOLDEN("transactional", golden_batch_txn);
    GOLDEN("control", golden_batch_control);
    GOLDEN("append_time", golden_batch_append_time);
    GOLDEN("holes", golden_batch_holes);
#undef GOLDEN
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer buffer;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "seeds", &heap, NULL, 0);
    weir_buffer_init(&buffer, &budget, 0);
    save_frames(argv[1], &buffer);
    save_batches(argv[1], &budget, &buffer);
    weir_buffer_close(&buffer);
    return 0;
}
