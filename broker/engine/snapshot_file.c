#include "broker/engine/snapshot_file.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/small_file.h"
#include "wire/generated/snapshot_footer_record.h"
#include "wire/generated/snapshot_header_record.h"
#include "wire/record_batch_reader.h"

enum {
    BATCH_SIZE = 256 * 1024,     /* a batch is closed once it has this many bytes */
    SNAPSHOT_SIZE_MAX = 1 << 30, /* more is refused when reading */
};

static const char suffix[] = ".checkpoint";

/* ---- building -------------------------------------------------------------------------------- */

static void fail(struct weir_snapshot_builder *builder, int rc)
{
    if (builder->rc == 0 && rc < 0) builder->rc = rc;
}

/* Move the records gathered so far into `bytes` as one batch. */
static void close_batch(struct weir_snapshot_builder *builder, bool is_control)
{
    if (builder->rc < 0 || builder->batch.record_count == 0) return;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    finish.base_offset = builder->offset;
    finish.leader_epoch = 0;
    finish.is_control = is_control;
    finish.producer_id = builder->producer_id;
    finish.is_transactional = builder->producer_id >= 0;
    int32_t count = builder->batch.record_count;
    fail(builder, weir_batch_builder_finish(&builder->batch, &finish, &batch));
    if (builder->rc < 0) return;
    weir_buffer_append(&builder->bytes, batch.data, batch.size);
    if (builder->bytes.failed) fail(builder, WEIR_NO_MEMORY);
    builder->offset += count;
    weir_batch_builder_reset(&builder->batch);
}

static int encode_control(int16_t type, int64_t timestamp_ms, struct weir_buffer *value)
{
    if (type == WEIR_CONTROL_SNAPSHOT_FOOTER) {
        struct weir_snapshot_footer_record footer;
        weir_snapshot_footer_record_init(&footer);
        return weir_snapshot_footer_record_encode(&footer, 0, value);
    }
    struct weir_snapshot_header_record header;
    weir_snapshot_header_record_init(&header);
    header.last_contained_log_timestamp = timestamp_ms;
    return weir_snapshot_header_record_encode(&header, 0, value);
}

static void add_control(struct weir_snapshot_builder *builder, int16_t type, int64_t timestamp_ms)
{
    uint8_t key[4];
    struct weir_buffer value;
    weir_store_u16(key, 0); /* the version of the key */
    weir_store_u16(key + 2, (uint16_t)type);
    weir_buffer_init(&value, builder->bytes.budget, 0);
    fail(builder, encode_control(type, timestamp_ms, &value));
    struct weir_record record = {.key = weir_slice(key, sizeof key),
                                 .value = weir_buffer_slice(&value),
                                 .timestamp_ms = timestamp_ms};
    if (builder->rc == 0) fail(builder, weir_batch_builder_add(&builder->batch, &record));
    close_batch(builder, true);
    weir_buffer_close(&value);
}

void weir_snapshot_builder_init(struct weir_snapshot_builder *builder, struct weir_budget *budget,
                                int64_t last_timestamp_ms)
{
    *builder = (struct weir_snapshot_builder){.producer_id = WEIR_NO_PRODUCER_ID};
    weir_batch_builder_init(&builder->batch, budget, WEIR_CODEC_NONE, 0);
    weir_buffer_init(&builder->bytes, budget, SNAPSHOT_SIZE_MAX);
    add_control(builder, WEIR_CONTROL_SNAPSHOT_HEADER, last_timestamp_ms);
}

/* Those gathered before are in another transaction, or in none: they are a batch of their own. */
static void change_producer(struct weir_snapshot_builder *builder, int64_t producer_id)
{
    if (builder->producer_id == producer_id) return;
    close_batch(builder, false);
    builder->producer_id = producer_id;
}

static void add(struct weir_snapshot_builder *builder, int64_t producer_id,
                const struct weir_record *record)
{
    change_producer(builder, producer_id);
    if (builder->rc < 0) return;
    fail(builder, weir_batch_builder_add(&builder->batch, record));
    if (weir_batch_builder_size(&builder->batch) >= BATCH_SIZE) close_batch(builder, false);
}

void weir_snapshot_builder_add(struct weir_snapshot_builder *builder,
                               const struct weir_record *record)
{
    add(builder, WEIR_NO_PRODUCER_ID, record);
}

void weir_snapshot_builder_add_pending(struct weir_snapshot_builder *builder, int64_t producer_id,
                                       const struct weir_record *record)
{
    weir_assert(producer_id >= 0);
    add(builder, producer_id, record);
}

int weir_snapshot_builder_finish(struct weir_snapshot_builder *builder)
{
    close_batch(builder, false);
    builder->producer_id = WEIR_NO_PRODUCER_ID;
    if (builder->rc == 0) add_control(builder, WEIR_CONTROL_SNAPSHOT_FOOTER, 0);
    return builder->rc;
}

void weir_snapshot_builder_close(struct weir_snapshot_builder *builder)
{
    weir_batch_builder_close(&builder->batch);
    weir_buffer_close(&builder->bytes);
}

/* ---- parsing --------------------------------------------------------------------------------- */

struct parse {
    weir_snapshot_record_fn each;
    void *context;
    bool has_header;
    bool has_footer;
};

static int parse_control(struct parse *parse, const struct weir_record *record,
                         struct weir_error *error)
{
    int type = weir_control_type(record->key);
    if (type < 0) return weir_error_set(error, WEIR_CORRUPT, "a control record without a type");
    if (type == WEIR_CONTROL_SNAPSHOT_HEADER && !parse->has_header) {
        parse->has_header = true;
    } else if (type == WEIR_CONTROL_SNAPSHOT_FOOTER && parse->has_header) {
        parse->has_footer = true;
    } else {
        return weir_error_set(error, WEIR_CORRUPT, "a control record of type %d out of place",
                              type);
    }
    return 0;
}

static int parse_batch(struct parse *parse, struct weir_batch_reader *reader,
                       struct weir_error *error)
{
    struct weir_record record;
    bool is_control = weir_batch_is_control(&reader->header);
    int rc;
    if (!is_control && !parse->has_header) {
        return weir_error_set(error, WEIR_CORRUPT, "it does not begin with a header");
    }
    while ((rc = weir_batch_reader_record(reader, &record, error)) == 0) {
        rc = is_control ? parse_control(parse, &record, error)
                        : parse->each(parse->context, &reader->header, &record, error);
        if (rc < 0) return rc;
    }
    return rc < 0 ? rc : 0;
}

int weir_snapshot_parse(struct weir_budget *budget, struct weir_slice bytes,
                        weir_snapshot_record_fn each, void *context, struct weir_error *error)
{
    struct parse parse = {.each = each, .context = context};
    struct weir_buffer plain;
    struct weir_batch_reader reader = {.rest = bytes, .plain = &plain, .is_whole = true};
    weir_buffer_init(&plain, budget, 0);
    int rc = 0;
    while (rc == 0 && !parse.has_footer) {
        rc = weir_batch_reader_open_next(&reader, error);
        if (rc == 0) rc = parse_batch(&parse, &reader, error);
    }
    if (rc == WEIR_END) {
        rc = weir_error_set(error, WEIR_CORRUPT, "it ends without a footer");
    } else if (rc == 0 && reader.rest.size > 0) {
        rc = weir_error_set(error, WEIR_CORRUPT, "%zu bytes follow the footer", reader.rest.size);
    }
    weir_buffer_close(&plain);
    return rc;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void format_name(char name[64], struct weir_snapshot_id id)
{
    (void)snprintf(name, 64, "%020lld-%010d%s", (long long)id.offset, id.epoch, suffix);
}

/* Exactly what format_name writes, and nothing else. */
bool weir_snapshot_parse_name(const char *name, struct weir_snapshot_id *id_out)
{
    long long offset;
    char again[64];
    struct weir_snapshot_id id;
    if (sscanf(name, "%20lld-%10d", &offset, &id.epoch) != 2) return false;
    id.offset = offset;
    format_name(again, id);
    if (offset < 0 || id.epoch < 0 || strcmp(name, again) != 0) return false;
    *id_out = id;
    return true;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

struct scan {
    struct weir_env *env;
    const char *folder;
    int64_t keep_from; /* older ones are removed */
    int64_t below;     /* younger ones are not looked for */
    bool removes_parts;
    bool found;
    struct weir_snapshot_id newest;
};

static int scan_entry(void *context, const char *name, enum weir_file_kind kind)
{
    struct scan *scan = context;
    struct weir_snapshot_id id;
    if (kind != WEIR_FILE_REGULAR) return 0;
    bool is_part = scan->removes_parts && ends_with(name, ".checkpoint.tmp");
    bool is_snapshot = weir_snapshot_parse_name(name, &id);
    bool is_old = is_snapshot && id.offset < scan->keep_from;
    if (is_snapshot && id.offset < scan->below &&
        (!scan->found || id.offset > scan->newest.offset)) {
        scan->newest = id;
        scan->found = true;
    }
    if (is_part || is_old) {
        struct weir_log_path path = weir_log_path(scan->folder, name);
        (void)weir_remove(scan->env, path.text, NULL); /* litter: the next scan tries again */
    }
    return 0;
}

int weir_snapshot_write(struct weir_env *env, const char *folder, struct weir_snapshot_id id,
                        int64_t keep_from, struct weir_slice bytes, struct weir_error *error)
{
    char name[64];
    format_name(name, id);
    struct weir_small_file_replace replace = {
        .env = env, .directory = folder, .name = name, .bytes = bytes, .is_durable = true};
    int rc = weir_small_file_replace(&replace, error);
    if (rc < 0) return weir_error_wrap(error, rc, "write snapshot '%s/%s'", folder, name);

    struct scan scan = {.env = env, .folder = folder, .keep_from = keep_from};
    (void)weir_list(env, folder, scan_entry, &scan, NULL); /* as above */
    return 0;
}

int weir_snapshot_find(struct weir_env *env, const char *folder, int64_t below,
                       struct weir_snapshot_id *id_out, struct weir_error *error)
{
    struct scan scan = {.env = env, .folder = folder, .below = below, .removes_parts = true};
    int rc = weir_list(env, folder, scan_entry, &scan, error);
    if (rc < 0) return rc;
    if (!scan.found) return WEIR_END;
    *id_out = scan.newest;
    return 0;
}

int weir_snapshot_load(struct weir_env *env, struct weir_budget *budget, const char *folder,
                       struct weir_snapshot_id id, weir_snapshot_record_fn each, void *context,
                       struct weir_error *error)
{
    char name[64];
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, budget, SNAPSHOT_SIZE_MAX);
    format_name(name, id);
    struct weir_log_path path = weir_log_path(folder, name);
    int rc = weir_small_file_read(env, path.text, SNAPSHOT_SIZE_MAX, &bytes, error);
    if (rc < 0) goto out;
    rc = weir_snapshot_parse(budget, weir_buffer_slice(&bytes), each, context, error);
out:
    weir_buffer_close(&bytes);
    return weir_error_wrap(error, rc, "read snapshot '%s/%s'", folder, name);
}
