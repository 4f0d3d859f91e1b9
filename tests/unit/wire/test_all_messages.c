#include <ctype.h>
#include <stdio.h>

#include "tests/fuzz/message_round_trip.h"
#include "tests/support/support.h"
#include "wire/generated/all_messages.h"

/**
 * Every message in every version, from samples that the schema generator wrote by the encoding rules
 * alone: each field has a value of its own, so one that is lost, moved or cut shows in the bytes.
 */

enum { SAMPLE_SIZE_MAX = 4096 };

struct sample {
    const struct weir_message_type *type;
    int16_t version;
    uint8_t bytes[SAMPLE_SIZE_MAX];
    size_t size;
};

static struct weir_slice sample_slice(const struct sample *sample)
{
    return weir_slice(sample->bytes, sample->size);
}

/* SAMPLES/<snake_case name>/all_fields-<version>, without the byte in front that is for fuzzers. */
static void read_sample(struct sample *sample)
{
    char folder[128] = "";
    size_t size = 0;
    for (const char *at = sample->type->name; *at != '\0'; at++) {
        if (isupper((unsigned char)*at) && size > 0) folder[size++] = '_';
        folder[size++] = (char)tolower((unsigned char)*at);
    }
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s/all_fields-%d", SAMPLES, folder, sample->version);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing", path);
    ck_assert_int_eq(fgetc(file), sample->version - sample->type->version_min);
    sample->size = fread(sample->bytes, 1, sizeof sample->bytes, file);
    ck_assert_uint_lt(sample->size, sizeof sample->bytes);
    fclose(file);
}

/* The sample at `*place` of all of them; false behind the last. `*place` begins at 0. */
static bool next_sample(size_t *place, struct sample *sample_out)
{
    size_t index = *place;
    for (size_t i = 0; i < WEIR_ALL_MESSAGES_COUNT; i++) {
        const struct weir_message_type *type = weir_all_messages[i];
        size_t version_count = (size_t)(type->version_max - type->version_min + 1);
        if (index < version_count) {
            sample_out->type = type;
            sample_out->version = (int16_t)(type->version_min + (int)index);
            read_sample(sample_out);
            ++*place;
            return true;
        }
        index -= version_count;
    }
    return false;
}

/* Decoded and encoded again, every field of every version is where it was. */
START_TEST(every_field_survives_every_version)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct sample sample;
    for (size_t place = 0; next_sample(&place, &sample);) {
        int rc = message_round_trip(&stage, sample.type, sample.version, sample_slice(&sample));
        ck_assert_msg(rc == 0 &&
                          weir_slice_equal(weir_buffer_slice(&stage.first), sample_slice(&sample)),
                      "%s version %d: %s", sample.type->name, sample.version, weir_code_name(rc));
    }
    message_stage_close(&stage);
}
END_TEST

/* Cut anywhere, a message of any kind is corrupt, and nothing past the cut is read. */
START_TEST(every_truncation_of_every_message_is_seen)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct sample sample;
    for (size_t place = 0; next_sample(&place, &sample);) {
        for (size_t size = 0; size < sample.size; size++) {
            uint8_t *copy = malloc(size + 1); /* the sanitizer sees who reads past its end */
            memcpy(copy, sample.bytes, size);
            int rc =
                message_round_trip(&stage, sample.type, sample.version, weir_slice(copy, size));
            ck_assert_msg(rc == WEIR_CORRUPT, "%s version %d, %zu bytes: %s", sample.type->name,
                          sample.version, size, weir_code_name(rc));
            free(copy);
        }
    }
    message_stage_close(&stage);
}
END_TEST

static void decode_sample(struct message_stage *stage, const struct sample *sample, void *message)
{
    message_stage_reset(stage);
    ck_code(weir_message_decode_whole(sample->type, message, sample->version, sample_slice(sample),
                                      &stage->arena, NULL),
            0);
}

/* Put the records back where the splices say; the bytes of the plain encoder come out. */
static void put_back(const struct weir_buffer *buffer, const struct weir_splices *splices,
                     struct weir_buffer *whole)
{
    size_t at = 0;
    for (size_t i = 0; i < splices->count; i++) {
        const struct weir_splice *splice = &splices->items[i];
        ck_assert_uint_ge(splice->at, at);
        ck_assert_uint_gt(splice->size, 0);
        weir_buffer_append(whole, buffer->data + at, splice->at - at);
        weir_buffer_append(whole, splice->data, splice->size);
        at = splice->at;
    }
    weir_buffer_append(whole, buffer->data + at, buffer->size - at);
}

/* Records that were left out belong where it is said, in every message that has any. */
START_TEST(spliced_records_fit_back)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct sample sample;
    size_t spliced = 0;
    for (size_t place = 0; next_sample(&place, &sample);) {
        max_align_t message[64];
        ck_assert_uint_le(sample.type->struct_size, sizeof message);
        decode_sample(&stage, &sample, message);
        struct weir_splices splices = {.arena = &stage.arena};
        ck_code(weir_message_encode_spliced(sample.type, message, sample.version, &stage.first,
                                            &splices),
                0);
        ck_assert_uint_eq(stage.first.size + splices.size, sample.size);
        put_back(&stage.first, &splices, &stage.second);
        ck_assert(weir_slice_equal(weir_buffer_slice(&stage.second), sample_slice(&sample)));
        spliced += splices.count;
    }
    /* two topics of two partitions: Produce 3-13 asks with records, Fetch 4-18 answers with them */
    ck_assert_uint_eq(spliced, (11 + 15) * 4);
    message_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("all messages");
    tcase_add_test(tests, every_field_survives_every_version);
    tcase_add_test(tests, every_truncation_of_every_message_is_seen);
    tcase_add_test(tests, spliced_records_fit_back);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("all_messages", add);
}
