#include "cli/group_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/map.h"
#include "cli/no_memory.h"
#include "wire/record_batch_reader.h"

/* The first batch comes whole, whatever the bound. */
enum { PROBE_SIZE_MAX = 1 };

int64_t group_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *group_type_text(const struct place_group *group)
{
    if (group->is_application) return "application";
    return group->type != NULL && group->type[0] != '\0' ? group->type : "-";
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int compare_rows(const void *a, const void *b)
{
    const struct group_row *left = a;
    const struct group_row *right = b;
    int by_topic = strcmp(left->topic, right->topic);
    if (by_topic != 0) return by_topic;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

static struct group_row new_row(const char *topic, int32_t partition)
{
    return (struct group_row){
        .topic = topic,
        .partition = partition,
        .committed = -1,
        .leader_epoch = -1,
        .start = -1,
        .end = -1,
        .lag = -1,
        .lag_ms = -1,
    };
}

static size_t count_assigned(const struct place_group *group)
{
    size_t count = 0;
    for (size_t m = 0; m < group->member_count; m++) {
        for (size_t i = 0; i < group->members[m].assigned_count; i++) {
            count += group->members[m].assigned[i].partition_count;
        }
    }
    return count;
}

static void add_assigned(struct group_view *view)
{
    for (size_t m = 0; m < view->group.member_count; m++) {
        const struct place_member *member = &view->group.members[m];
        for (size_t i = 0; i < member->assigned_count; i++) {
            const struct place_partitions *of = &member->assigned[i];
            for (size_t p = 0; p < of->partition_count; p++) {
                struct group_row *row = &view->rows[view->row_count++];
                *row = new_row(of->topic, of->partitions[p]);
                row->owner = member;
            }
        }
    }
}

/* Of two rows for one partition one has the owner and the other the offset. */
static void merge_rows(struct group_view *view)
{
    size_t kept = 0;
    for (size_t i = 0; i < view->row_count; i++) {
        struct group_row *row = &view->rows[i];
        if (kept == 0 || compare_rows(&view->rows[kept - 1], row) != 0) {
            view->rows[kept++] = *row;
            continue;
        }
        struct group_row *into = &view->rows[kept - 1];
        if (into->owner == NULL) into->owner = row->owner;
        if (into->committed < 0) {
            into->committed = row->committed;
            into->leader_epoch = row->leader_epoch;
        }
    }
    view->row_count = kept;
}

static int make_rows(struct weir_arena *arena, const struct place_offsets *offsets,
                     struct group_view *view, struct weir_error *error)
{
    size_t total = offsets->count + count_assigned(&view->group);
    view->row_count = 0;
    view->rows = weir_arena_array(arena, total + 1, sizeof *view->rows);
    if (view->rows == NULL) return cli_no_memory(error);
    for (size_t i = 0; i < offsets->count; i++) {
        struct group_row *row = &view->rows[view->row_count++];
        *row = new_row(offsets->rows[i].topic, offsets->rows[i].partition);
        row->committed = offsets->rows[i].offset;
        row->leader_epoch = offsets->rows[i].leader_epoch;
    }
    add_assigned(view);
    qsort(view->rows, view->row_count, sizeof *view->rows, compare_rows);
    merge_rows(view);
    return 0;
}

/* How many of the rows from `from` on are of the same topic. */
static size_t count_of_topic(const struct group_view *view, size_t from)
{
    size_t count = 1;
    while (from + count < view->row_count &&
           strcmp(view->rows[from].topic, view->rows[from + count].topic) == 0) {
        count++;
    }
    return count;
}

static int count_partitions(struct place *place, struct weir_arena *arena, const char *name,
                            int32_t *count_out, struct weir_error *error)
{
    struct place_topic topic = {0};
    int rc = place->ops->describe(place, arena, name, false, &topic, error);
    if (rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION) { /* its rows say so themselves */
        *error = (struct weir_error){0};
        rc = 0;
    }
    *count_out = topic.partition_count;
    return rc;
}

static int add_others(struct place *place, struct weir_arena *arena, struct group_view *view,
                      struct weir_error *error)
{
    struct group_row *rows = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (size_t from = 0; from < view->row_count;) {
        const char *topic = view->rows[from].topic;
        size_t known = count_of_topic(view, from);
        int32_t partitions = 0;
        int rc = count_partitions(place, arena, topic, &partitions, error);
        if (rc < 0) return rc;
        for (int32_t p = 0; known > 0 || p < partitions; p++) {
            bool is_known = known > 0 && (p >= partitions || view->rows[from].partition == p);
            rows = weir_arena_grow(arena, rows, count, &capacity, 16, sizeof *rows);
            if (rows == NULL) return cli_no_memory(error);
            rows[count++] = is_known ? view->rows[from] : new_row(topic, p);
            from += is_known;
            known -= is_known;
        }
    }
    if (count > 0) view->rows = rows;
    view->row_count = count;
    return 0;
}

/* ---- lag ------------------------------------------------------------------------------------- */

/* What one partition refuses leaves the others to be shown. */
static bool is_of_partition(int rc)
{
    return rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION || rc == WEIR_OFFLINE || rc == WEIR_CORRUPT ||
           rc == WEIR_OFFSET_OUT_OF_RANGE || rc == WEIR_DISCONNECTED;
}

static int keep_problem(struct weir_arena *arena, struct group_row *row, int rc,
                        struct weir_error *error)
{
    if (rc >= 0 || !is_of_partition(rc)) return rc;
    row->problem = rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION
                       ? "there is no such partition any more"
                       : weir_arena_printf(arena, "%s", error->text);
    *error = (struct weir_error){0};
    return row->problem != NULL ? 0 : cli_no_memory(error);
}

int group_row_find_log(struct place *place, struct weir_arena *arena, struct group_row *row,
                       struct weir_error *error)
{
    int64_t start = -1;
    int64_t end = -1;
    const struct place_ops *ops = place->ops;
    int rc = ops->offset_at(place, row->topic, row->partition, PLACE_EARLIEST, &start, error);
    if (rc == 0) rc = ops->offset_at(place, row->topic, row->partition, PLACE_LATEST, &end, error);
    if (rc < 0) return keep_problem(arena, row, rc, error);
    row->start = start;
    row->end = end;
    if (row->committed >= 0) row->lag = row->committed < end ? end - row->committed : 0;
    return 0;
}

/* ---- of many groups -------------------------------------------------------------------------- */

struct group_ends {
    struct weir_map logs; /* of struct log_ends */
    struct weir_arena arena;
};

struct log_ends {
    struct weir_slice key; /* the partition's number, and the topic behind it */
    int64_t start;
    int64_t end;
};

struct group_ends *group_ends_new(struct weir_budget *budget)
{
    struct group_ends *ends = weir_alloc_zero(budget, sizeof *ends);
    if (ends == NULL) return NULL;
    weir_map_init(&ends->logs, budget);
    weir_arena_init(&ends->arena, budget, 0);
    return ends;
}

void group_ends_free(struct group_ends *ends)
{
    if (ends == NULL) return;
    weir_map_close(&ends->logs);
    weir_arena_close(&ends->arena);
    weir_free(ends);
}

static int find_log(struct place *place, struct weir_arena *arena, struct group_ends *ends,
                    struct group_row *row, struct weir_error *error)
{
    if (ends == NULL) return group_row_find_log(place, arena, row, error);
    size_t size = sizeof row->partition + strlen(row->topic);
    uint8_t *key = weir_arena_alloc(&ends->arena, size);
    struct log_ends *fresh = weir_arena_alloc(&ends->arena, sizeof *fresh);
    if (key == NULL || fresh == NULL) return cli_no_memory(error);
    memcpy(key, &row->partition, sizeof row->partition);
    memcpy(key + sizeof row->partition, row->topic, strlen(row->topic));
    const struct log_ends *known = weir_map_get(&ends->logs, weir_slice(key, size));
    if (known != NULL) {
        row->start = known->start;
        row->end = known->end;
        if (row->committed >= 0)
            row->lag = row->committed < row->end ? row->end - row->committed : 0;
        return 0;
    }
    int rc = group_row_find_log(place, arena, row, error);
    if (rc < 0 || row->problem != NULL) return rc;
    *fresh = (struct log_ends){weir_slice(key, size), row->start, row->end};
    return weir_map_add(&ends->logs, fresh->key, fresh) < 0 ? cli_no_memory(error) : 0;
}

/* The time of the first record at or behind `offset` in what was fetched; -1: there is none. */
static int find_time(struct weir_slice bytes, int64_t offset, struct weir_buffer *plain,
                     int64_t *time_out, struct weir_error *error)
{
    struct weir_batch_reader reader = {.rest = bytes, .plain = plain};
    struct weir_record record;
    int rc;
    while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
        bool is_data = !weir_batch_is_control(&reader.header) && reader.header.record_count > 0;
        if (!is_data || weir_batch_last_offset(&reader.header) < offset) continue;
        rc = weir_batch_reader_open(&reader, error);
        while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, error)) == 0) {
            if (record.offset < offset) continue;
            *time_out = record.timestamp_ms;
            return 0;
        }
        if (rc < 0) break;
    }
    return rc < 0 && rc != WEIR_TRUNCATED ? rc : 0;
}

static int fetch_time(struct place *place, struct weir_budget *budget, const struct group_row *row,
                      int64_t offset, int64_t *time_out, struct weir_error *error)
{
    struct weir_buffer plain;
    struct place_fetch_partition partition = {.partition = row->partition, .offset = offset};
    struct place_fetch fetch = {
        .topic = row->topic,
        .partitions = &partition,
        .partition_count = 1,
        .size_max = PROBE_SIZE_MAX,
    };
    weir_buffer_init(&partition.batches, budget, 0);
    weir_buffer_init(&plain, budget, 0);
    int rc = place->ops->fetch(place, &fetch, error);
    if (rc == 0) {
        rc = find_time(weir_buffer_slice(&partition.batches), offset, &plain, time_out, error);
    }
    weir_buffer_close(&plain);
    weir_buffer_close(&partition.batches);
    return rc;
}

static int find_lag_time(struct place *place, struct weir_arena *arena, struct group_row *row,
                         struct weir_error *error)
{
    int64_t time = -1;
    if (row->lag == 0) row->lag_ms = 0;
    if (row->lag <= 0) return 0;
    int64_t offset = row->committed > row->start ? row->committed : row->start;
    int rc = offset < row->end ? fetch_time(place, arena->budget, row, offset, &time, error) : 0;
    if (time >= 0) {
        int64_t now = group_now_ms();
        row->lag_ms = time < now ? now - time : 0;
    }
    return keep_problem(arena, row, rc, error);
}

static void add_up(struct group_view *view)
{
    view->lag = view->lag_ms = -1;
    view->uncommitted = 0;
    for (size_t i = 0; i < view->row_count; i++) {
        const struct group_row *row = &view->rows[i];
        if (row->lag >= 0) view->lag = (view->lag < 0 ? 0 : view->lag) + row->lag;
        if (row->lag_ms > view->lag_ms) view->lag_ms = row->lag_ms;
        view->uncommitted += row->committed < 0 && row->end > row->start;
    }
}

const char *group_lag_text(char to[GROUP_LAG_SIZE], const struct group_view *view)
{
    char behind[LAG_TEXT_SIZE];
    int at = view->lag < 0 ? snprintf(to, GROUP_LAG_SIZE, "lag -")
                           : snprintf(to, GROUP_LAG_SIZE, "lag %" PRId64 " (%s)", view->lag,
                                      lag_time_text(behind, view->lag_ms));
    if (view->uncommitted > 0) {
        (void)snprintf(to + at, GROUP_LAG_SIZE - (size_t)at, ", %zu partition%s without a commit",
                       view->uncommitted, view->uncommitted == 1 ? "" : "s");
    }
    return to;
}

int group_view_load(struct place *place, struct weir_arena *arena, struct group_view_wish wish,
                    struct group_view *view_out, struct weir_error *error)
{
    struct group_view view = *view_out;
    struct place_offsets offsets = {0};
    const struct place_group_ops *groups = place->ops->groups;
    int rc = 0;
    if (wish.with_members) {
        rc = groups->describe(place, arena, view.group.name, &view.group, error);
    }
    if (rc == 0) rc = groups->offsets(place, arena, view.group.name, &offsets, error);
    if (rc == 0) rc = make_rows(arena, &offsets, &view, error);
    if (rc == 0 && wish.with_others) rc = add_others(place, arena, &view, error);
    for (size_t i = 0; rc == 0 && i < view.row_count; i++) {
        rc = find_log(place, arena, wish.ends, &view.rows[i], error);
        if (rc == 0 && wish.with_times) rc = find_lag_time(place, arena, &view.rows[i], error);
    }
    if (rc < 0) return rc;
    add_up(&view);
    *view_out = view;
    return 0;
}
