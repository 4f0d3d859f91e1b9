#include "broker/engine/verify_directory.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "broker/engine/data_directory.h"
#include "broker/engine/fold.h"
#include "broker/log/durable_mark.h"
#include "broker/log/segment_scan.h"
#include "broker/metadata/metadata_image.h"

/*
 * The metadata is read as a start reads it (the newest snapshot, then the batches behind it), but
 * from the files alone: opening its log would mend them. Then each partition that it knows is looked
 * for.
 */
struct directory {
    struct weir_env *env;
    struct weir_log_path path;
    struct weir_log_path log_path;
    struct weir_log_path metadata_path;
    weir_directory_finding_fn each;
    void *context;
    struct weir_meta_properties properties;
    struct weir_metadata_machine metadata;
    struct weir_fold fold;
    struct weir_buffer offsets; /* int64_t: of the metadata's segments, ascending */
    struct weir_snapshot_id snapshot;
    int64_t metadata_end; /* of its log, behind the last whole batch */
};

static void find(const struct directory *directory, const char *name, const char *text)
{
    directory->each(directory->context, name, text);
}

static bool is_there(const struct directory *directory, const char *path)
{
    struct weir_file_stat stat;
    return weir_stat(directory->env, path, &stat, NULL) == 0;
}

/* ---- meta.properties ------------------------------------------------------------------------- */

static int check_properties(struct directory *directory)
{
    enum { SIZE_MAX_ = 64 * 1024 };
    struct weir_log_path path = weir_log_path(directory->path.text, "meta.properties");
    struct weir_error why = {0};
    struct weir_buffer text;
    weir_buffer_init(&text, directory->env->budget, SIZE_MAX_);
    int rc = weir_small_file_read(directory->env, path.text, SIZE_MAX_, &text, &why);
    if (rc == 0) {
        rc = weir_meta_properties_decode(weir_buffer_slice(&text), &directory->properties, &why);
    }
    weir_buffer_close(&text);
    if (rc == WEIR_NO_MEMORY) return rc;
    if (rc < 0) find(directory, "meta.properties", why.text);
    return 0;
}

/* ---- the metadata ---------------------------------------------------------------------------- */

static int apply_record(void *impl, const struct weir_batch_header *header,
                        const struct weir_record *record, struct weir_error *error)
{
    (void)header; /* nothing of the metadata is in a transaction */
    return weir_metadata_apply_value(impl, record->value, error);
}

static int load_record(void *context, const struct weir_batch_header *header,
                       const struct weir_record *record, struct weir_error *error)
{
    struct directory *directory = context;
    return apply_record(&directory->metadata, header, record, error);
}

static const struct weir_fold_ops fold_ops = {.apply = apply_record};

static int note_metadata_file(void *context, const char *name, enum weir_file_kind kind)
{
    struct directory *directory = context;
    int64_t offset = weir_log_name_offset(name, ".log");
    if (kind != WEIR_FILE_REGULAR) return 0;
    if (offset >= 0) weir_buffer_append(&directory->offsets, &offset, sizeof offset);
    (void)weir_snapshot_parse_name(name, &directory->snapshot); /* they ascend */
    return directory->offsets.failed ? WEIR_NO_MEMORY : 0;
}

/* One batch of a segment, whole: into the image. */
static int fold_batch(struct directory *directory, struct weir_file *file, int64_t position,
                      size_t size, struct weir_error *error)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, directory->env->budget, 0);
    uint8_t *to = weir_buffer_extend(&bytes, size);
    int rc = to == NULL ? WEIR_NO_MEMORY : 0;
    int64_t got = rc == 0 ? weir_file_read(file, to, size, position, error) : 0;
    if (got < 0) rc = (int)got;
    if (rc == 0) rc = weir_fold_batches(&directory->fold, weir_slice(to, (size_t)got), error);
    weir_buffer_close(&bytes);
    return rc;
}

/* Up to what is no batch: that is for the folder's own verification to tell. */
static int fold_segment(struct directory *directory, int64_t base_offset, struct weir_error *error)
{
    struct weir_log_path path =
        weir_log_offset_path(directory->metadata_path.text, base_offset, ".log");
    struct weir_file *file = NULL;
    struct weir_file_stat stat;
    struct weir_segment_scan scan;
    struct weir_batch_header header;
    int64_t position;
    int rc = weir_file_open(directory->env, path.text, WEIR_OPEN_READ, &file, error);
    if (rc == 0) rc = weir_file_stat(file, &stat, error);
    if (rc < 0) goto out;
    weir_segment_scan_init(&scan, &(struct weir_segment_scan_options){
                                      .file = file,
                                      .budget = directory->env->budget,
                                      .limit = stat.size,
                                      .expected_offset = base_offset,
                                      .epoch = WEIR_NO_LEADER_EPOCH,
                                  });
    while (rc == 0 && (rc = weir_segment_scan_next(&scan, &header, &position, NULL)) == 0) {
        if (weir_batch_last_offset(&header) < directory->fold.next_offset) continue;
        rc = fold_batch(directory, file, position, weir_batch_size(&header), error);
    }
    if (rc == WEIR_END || rc == WEIR_CORRUPT) rc = error->code != 0 ? rc : 0;
    directory->metadata_end = scan.expected_offset;
    weir_segment_scan_close(&scan);
out:
    weir_file_close(file);
    return rc;
}

static int fold_metadata(struct directory *directory, struct weir_error *why)
{
    int rc = 0;
    size_t count = directory->offsets.size / sizeof(int64_t);
    const int64_t *offsets = (const void *)directory->offsets.data;
    if (directory->snapshot.offset > 0) {
        rc = weir_snapshot_load(directory->env, directory->env->budget,
                                directory->metadata_path.text, directory->snapshot, load_record,
                                directory, why);
        directory->fold.next_offset = directory->snapshot.offset;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (offsets[i] > directory->fold.next_offset) {
            return weir_error_set(why, WEIR_CORRUPT, "records from offset %lld on are missing",
                                  (long long)directory->fold.next_offset);
        }
        rc = fold_segment(directory, offsets[i], why);
    }
    /* What a start would cut as a torn tail is in the snapshot: it was no tail. */
    if (rc == 0 && directory->metadata_end < directory->snapshot.offset) {
        rc = weir_error_set(why, WEIR_CORRUPT,
                            "its log ends at %lld and the newest snapshot at %lld: what lies "
                            "between is missing or damaged",
                            (long long)directory->metadata_end,
                            (long long)directory->snapshot.offset);
    }
    return rc;
}

/* False: nothing can be compared with it. */
static bool read_metadata(struct directory *directory, int *rc_out)
{
    static const char name[] = WEIR_CLUSTER_METADATA_TOPIC "-0";
    struct weir_error why = {0};
    const char *folder = directory->metadata_path.text;
    if (!is_there(directory, directory->log_path.text)) {
        if (directory->properties.log_exists) find(directory, "log", "is missing; put it back");
        return false;
    }
    int rc = weir_list(directory->env, folder, note_metadata_file, directory, &why);
    if (rc == WEIR_NO_MEMORY) *rc_out = rc;
    if (rc == WEIR_NOT_FOUND || (rc == 0 && directory->offsets.size == 0)) {
        if (directory->properties.log_exists) find(directory, name, "is missing; put it back");
        return false;
    }
    if (rc == 0) rc = fold_metadata(directory, &why);
    if (rc == WEIR_NO_MEMORY) *rc_out = rc;
    if (rc < 0 && rc != WEIR_NO_MEMORY) find(directory, name, why.text);
    return rc == 0;
}

/* ---- the partitions -------------------------------------------------------------------------- */

static int count_segment(void *context, const char *name, enum weir_file_kind kind)
{
    (void)kind;
    if (weir_log_name_offset(name, ".log") >= 0) ++*(int *)context;
    return 0;
}

/* The mark says whose the folder is; one that is damaged is for the folder's own verification. */
static int check_owner(const struct directory *directory, const char *folder, const char *name,
                       const struct weir_topic_image *topic, int32_t partition)
{
    struct weir_durable_mark mark;
    struct weir_arena arena;
    int segment_count = 0;
    char text[128];
    weir_arena_init(&arena, directory->env->budget, 0);
    int rc = weir_durable_mark_read(directory->env, directory->env->budget, folder, &arena, &mark,
                                    NULL, NULL);
    bool is_assigned = !weir_uuid_is_zero(topic->partitions[partition].directory_id);
    if (rc == WEIR_NOT_FOUND && is_assigned) {
        (void)weir_list(directory->env, folder, count_segment, &segment_count, NULL);
        if (segment_count == 0) {
            find(directory, name, "the durable mark and the segments are missing");
        }
    }
    if (rc == 0 && !weir_uuid_equal(mark.topic_id, topic->id)) {
        find(directory, name, "the folder belongs to another topic id");
    } else if (rc == 0 && mark.partition != partition) {
        (void)snprintf(text, sizeof text, "the folder is that of partition %d", mark.partition);
        find(directory, name, text);
    }
    if (rc == 0) weir_durable_mark_close(&mark);
    weir_arena_close(&arena);
    return rc == WEIR_NO_MEMORY ? rc : 0;
}

static int check_partition(const struct directory *directory, const struct weir_topic_image *topic,
                           int32_t partition)
{
    struct weir_file_stat stat;
    struct weir_log_path path =
        weir_log_partition_path(directory->log_path.text, weir_text(topic->name), partition);
    const char *name = path.text + strlen(directory->log_path.text) + 1;
    int rc = weir_stat(directory->env, path.text, &stat, NULL);
    bool is_assigned = !weir_uuid_is_zero(topic->partitions[partition].directory_id);
    if (rc == WEIR_NOT_FOUND) {
        if (is_assigned) find(directory, name, "the folder is missing, or a link to nowhere");
        return 0;
    }
    if (rc < 0) return rc == WEIR_NO_MEMORY ? rc : 0;
    if (stat.kind != WEIR_FILE_DIRECTORY) {
        find(directory, name, "something that is no folder is in its place");
        return 0;
    }
    return check_owner(directory, path.text, name, topic, partition);
}

static int check_partitions(const struct directory *directory)
{
    const struct weir_metadata_image *image = &directory->metadata.image;
    int rc = 0;
    struct weir_arena arena;
    weir_arena_init(&arena, image->budget, 0);
    const struct weir_topic_image **topics = weir_metadata_sorted_topics(image, &arena);
    if (topics == NULL) rc = WEIR_NO_MEMORY;
    for (size_t t = 0; rc == 0 && t < weir_metadata_topic_count(image); t++) {
        for (int32_t i = 0; rc == 0 && i < topics[t]->partition_count; i++)
            rc = check_partition(directory, topics[t], i);
    }
    weir_arena_close(&arena);
    return rc;
}

/* A partition of a topic that the metadata does not have: each is made when its topic is on the disk, and what a
 * deletion leaves is called otherwise. */
static int check_known(void *context, const char *name, enum weir_file_kind kind)
{
    const struct directory *directory = context;
    const struct weir_metadata_image *image = &directory->metadata.image;
    struct weir_slice topic;
    struct weir_log_path folder = weir_log_path(directory->log_path.text, name);
    struct weir_log_path mark = weir_log_path(folder.text, WEIR_DURABLE_MARK_NAME);
    bool is_metadata = strcmp(name, WEIR_CLUSTER_METADATA_TOPIC "-0") == 0;
    if (kind != WEIR_FILE_DIRECTORY || is_metadata) return 0;
    if (!weir_log_is_partition_name(name, &topic)) return 0;
    if (weir_metadata_topic(image, topic) != NULL || !is_there(directory, mark.text)) return 0;
    find(directory, name,
         "the metadata has no such topic: is '" WEIR_CLUSTER_METADATA_TOPIC
         "-0' an older copy of its folder?");
    return 0;
}

static int check_folders(struct directory *directory)
{
    int rc = check_partitions(directory);
    if (rc < 0) return rc;
    /* That it is there was looked at before. */
    rc = weir_list(directory->env, directory->log_path.text, check_known, directory, NULL);
    return rc == WEIR_NO_MEMORY ? rc : 0;
}

int weir_data_directory_verify(struct weir_env *env, const char *path,
                               weir_directory_finding_fn each, void *context,
                               struct weir_error *error)
{
    struct directory directory = {.env = env, .each = each, .context = context};
    (void)snprintf(directory.path.text, sizeof directory.path.text, "%s", path);
    directory.log_path = weir_log_path(path, "log");
    directory.metadata_path =
        weir_log_path(directory.log_path.text, WEIR_CLUSTER_METADATA_TOPIC "-0");
    weir_buffer_init(&directory.offsets, env->budget, 0);
    weir_metadata_machine_init(&directory.metadata, env->budget);
    weir_fold_init(&directory.fold, &fold_ops, &directory.metadata, env->budget);
    int rc = check_properties(&directory);
    if (rc == 0 && read_metadata(&directory, &rc)) rc = check_folders(&directory);
    weir_fold_close(&directory.fold);
    weir_metadata_machine_close(&directory.metadata);
    weir_buffer_close(&directory.offsets);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "verify '%s'", path) : 0;
}
