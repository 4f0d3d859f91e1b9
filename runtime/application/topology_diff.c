#include "runtime/application/topology_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* ---- reading a dump -------------------------------------------------------------------------- */

enum { FIELDS_MAX = 9, FORMAT_FIELDS = 4 };

struct line {
    const char *fields[FIELDS_MAX];
    size_t count;
};

static const char *copy_text(struct weir_arena *arena, struct weir_slice text)
{
    return weir_arena_printf(arena, "%.*s", (int)text.size, (const char *)text.data);
}

/* The next line of the text, without its end; false: there is none. */
static bool next_line(struct weir_slice *text, struct weir_slice *line_out)
{
    if (text->size == 0) return false;
    const uint8_t *end = memchr(text->data, '\n', text->size);
    const size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
    *line_out = weir_slice(text->data, size);
    const size_t taken = end != NULL ? size + 1 : size;
    *text = weir_slice(text->data + taken, text->size - taken);
    return true;
}

static bool split(struct weir_slice text, struct weir_arena *arena, struct line *line)
{
    *line = (struct line){0};
    for (;;) {
        const uint8_t *tab = text.size > 0 ? memchr(text.data, '\t', text.size) : NULL;
        const size_t size = tab != NULL ? (size_t)(tab - text.data) : text.size;
        if (line->count == FIELDS_MAX || size > INT32_MAX) return false;
        line->fields[line->count++] = copy_text(arena, weir_slice(text.data, size));
        if (tab == NULL) return !weir_arena_failed(arena);
        text = weir_slice(text.data + size + 1, text.size - size - 1);
    }
}

static bool read_number(const char *text, int64_t max, int64_t *number_out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > max) return false;
    *number_out = number;
    return true;
}

static bool read_format(const char *const *fields, struct weir_plan_format *format)
{
    int64_t version = 0;
    if (!read_number(fields[1], UINT8_MAX, &version)) return false;
    *format = (struct weir_plan_format){
        .text = strcmp(fields[0], "-") == 0 ? NULL : fields[0],
        .version = (uint8_t)version,
    };
    return true;
}

static bool read_formats(const char *const *fields, struct weir_plan_formats *formats)
{
    return read_format(fields, &formats->key) && read_format(fields + 2, &formats->value);
}

static bool read_store(const struct line *line, struct weir_kept *kept)
{
    enum { LIFE = 2, WINDOW, FORMATS, INPUTS = FORMATS + FORMAT_FIELDS, COUNT };
    const char *life = line->count == COUNT ? line->fields[LIFE] : "";
    kept->kind = WEIR_KEPT_STORE;
    kept->is_local = strcmp(life, "local") == 0;
    if (!kept->is_local && strcmp(life, "changelog") != 0) return false;
    kept->inputs = line->fields[INPUTS];
    return read_number(line->fields[WINDOW], INT64_MAX, &kept->window_size_ms) &&
           read_formats(&line->fields[FORMATS], &kept->formats);
}

static bool read_repartition(const struct line *line, struct weir_kept *kept)
{
    enum { PARTITIONS = 2, FORMATS, COUNT = FORMATS + FORMAT_FIELDS };
    int64_t count = 0;
    kept->kind = WEIR_KEPT_REPARTITION;
    if (line->count != COUNT) return false;
    if (!read_number(line->fields[PARTITIONS], INT32_MAX, &count)) return false;
    kept->partition_count = (int32_t)count;
    return read_formats(&line->fields[FORMATS], &kept->formats);
}

static bool read_kept(const struct line *line, struct weir_kept *kept)
{
    const char *word = line->fields[0];
    if (line->count < 2) return false;
    *kept = (struct weir_kept){.name = line->fields[1]};
    if (strcmp(word, "store") == 0) return read_store(line, kept);
    if (strcmp(word, "repartition") == 0) return read_repartition(line, kept);
    if (strcmp(word, "input") == 0) {
        kept->kind = WEIR_KEPT_INPUT;
        return line->count == 2;
    }
    if (strcmp(word, "node") != 0 || line->count != 3) return false;
    kept->kind = WEIR_KEPT_NODE;
    kept->has_timers = strcmp(line->fields[2], "timers") == 0;
    return kept->has_timers || strcmp(line->fields[2], "time") == 0;
}

static int read_first(struct weir_slice *text, struct weir_arena *arena, struct weir_error *error)
{
    struct weir_slice first;
    struct line line;
    if (!next_line(text, &first) || !split(first, arena, &line) || line.count != 2 ||
        strcmp(line.fields[0], "weir-topology") != 0) {
        if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
        return weir_error_set(error, WEIR_CORRUPT,
                              "it does not begin with 'weir-topology': not of weir_topology_dump");
    }
    if (strcmp(line.fields[1], "1") == 0) return 0;
    return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                          "it is of version %.20s; this Weir reads version 1", line.fields[1]);
}

int weir_topology_dump_read(struct weir_slice text, struct weir_arena *arena,
                            struct weir_topology_dump *dump_out, struct weir_error *error)
{
    enum { FIRST_CAPACITY = 16 };
    struct weir_kept *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    struct weir_slice bytes;
    int rc = read_first(&text, arena, error);
    for (size_t number = 2; rc == 0 && next_line(&text, &bytes); number++) {
        struct line line;
        items = weir_arena_grow(arena, items, count, &capacity, FIRST_CAPACITY, sizeof *items);
        if (items == NULL) return WEIR_NO_MEMORY;
        if (split(bytes, arena, &line) && read_kept(&line, &items[count])) {
            count++;
        } else if (!weir_arena_failed(arena)) {
            rc = weir_error_set(error, WEIR_CORRUPT, "line %zu says nothing that is known: '%.60s'",
                                number, line.count > 0 ? line.fields[0] : "");
        }
        if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    }
    if (rc == 0) *dump_out = (struct weir_topology_dump){.items = items, .count = count};
    return rc;
}

/* ---- as a start would see it ----------------------------------------------------------------- */

static const struct weir_kept *find(const struct weir_topology_dump *dump, enum weir_kept_kind kind,
                                    const char *name)
{
    for (size_t i = 0; i < dump->count; i++) {
        const struct weir_kept *item = &dump->items[i];
        if (item->kind == kind && strcmp(item->name, name) == 0) return item;
    }
    return NULL;
}

static bool has_topic(const struct weir_kept *item)
{
    if (item->kind == WEIR_KEPT_STORE) return !item->is_local;
    return item->kind == WEIR_KEPT_REPARTITION;
}

static const char *topic_name(const struct weir_kept *item, struct weir_arena *arena)
{
    const bool is_store = item->kind == WEIR_KEPT_STORE;
    return weir_arena_printf(arena, "<application.id>-%s%s", item->name,
                             is_store ? "-changelog" : "");
}

/* What the application has written down of it. */
static struct weir_own_topic own_topic(const struct weir_kept *item, const char *name)
{
    const bool is_store = item->kind == WEIR_KEPT_STORE;
    return (struct weir_own_topic){
        .name = name,
        .of = item->name,
        .phase = WEIR_OWN_TOPIC_KEPT,
        .role = is_store ? WEIR_OWN_CHANGELOG : WEIR_OWN_REPARTITION,
        .id = {{1}},
        .partition_count = 1,
        .formats = item->formats,
        .window_size_ms = item->window_size_ms,
    };
}

/* One of the inputs that the store hears of was an input before, and something of it has been processed. */
static bool has_progress(const struct weir_kept *store, const struct weir_topology_dump *before,
                         struct weir_arena *arena)
{
    const char *at = store->inputs;
    while (at != NULL && *at != '\0') {
        const size_t size = strcspn(at, ",");
        const char *name = copy_text(arena, weir_slice((const uint8_t *)at, size));
        if (name != NULL && find(before, WEIR_KEPT_INPUT, name) != NULL) return true;
        at += at[size] == ',' ? size + 1 : size;
    }
    return false;
}

/* Committed and whole: one record, which is covered. Of a repartition topic it is not processed yet. */
static struct weir_start_partition *whole_partition(struct weir_arena *arena)
{
    struct weir_start_partition *partition = weir_arena_alloc_zero(arena, sizeof *partition);
    if (partition == NULL) return NULL;
    *partition = (struct weir_start_partition){
        .log_end = 1,
        .compacted_end = INT64_MAX,
        .has_entry = true,
        .committed_end = 1,
        .epoch_end = INT64_MAX,
        .foreign_at = -1,
        .committed_epoch = -1,
    };
    return partition;
}

static int make_topic(const struct weir_kept *item, const struct weir_topology_dump *before,
                      struct weir_arena *arena, struct weir_start_topic *topic)
{
    const struct weir_kept *old = find(before, item->kind, item->name);
    const bool is_store = item->kind == WEIR_KEPT_STORE;
    *topic = (struct weir_start_topic){
        .role = is_store ? WEIR_START_CHANGELOG : WEIR_START_REPARTITION,
        .name = topic_name(item, arena),
        .of = item->name,
        .wanted_count = 1,
        .formats = item->formats,
        .window_size_ms = item->window_size_ms,
        .has_progress = is_store && has_progress(item, before, arena),
    };
    if (topic->name == NULL) return WEIR_NO_MEMORY;
    if (old == NULL || !has_topic(old)) return 0;
    struct weir_own_topic *record = weir_arena_alloc(arena, sizeof *record);
    topic->partitions = whole_partition(arena);
    if (record == NULL || topic->partitions == NULL) return WEIR_NO_MEMORY;
    *record = own_topic(old, topic->name);
    topic->record = record;
    topic->exists = true;
    topic->id = record->id;
    topic->partition_count = 1;
    return 0;
}

/* What the new one does not name any more. Records of a repartition topic that are left in it are the start's to count. */
static int make_left(const struct weir_kept *item, struct weir_arena *arena,
                     struct weir_start_left *left)
{
    struct weir_own_topic *record = weir_arena_alloc(arena, sizeof *record);
    const char *name = topic_name(item, arena);
    if (record == NULL || name == NULL) return WEIR_NO_MEMORY;
    *record = own_topic(item, name);
    *left = (struct weir_start_left){.record = record, .has_rows = true};
    return 0;
}

static int make_facts(const struct weir_topology_dump *before,
                      const struct weir_topology_dump *after, struct weir_arena *arena,
                      struct weir_start_facts *facts)
{
    struct weir_application *records = weir_arena_alloc_zero(arena, sizeof *records);
    struct weir_start_left *left = weir_arena_array(arena, before->count + 1, sizeof *left);
    struct weir_start_topic *topics = weir_arena_array(arena, after->count + 1, sizeof *topics);
    if (records == NULL || left == NULL || topics == NULL) return WEIR_NO_MEMORY;
    records->arena = arena;
    records->has_committed = true;
    *facts = (struct weir_start_facts){
        .application_id = "<application.id>",
        .records = records,
        .has_topic = true,
        .has_commit = true,
        .topics = topics,
        .left = left,
    };
    for (size_t i = 0; i < after->count; i++) {
        if (!has_topic(&after->items[i])) continue;
        int rc = make_topic(&after->items[i], before, arena, &topics[facts->topic_count++]);
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < before->count; i++) {
        const struct weir_kept *item = &before->items[i];
        const struct weir_kept *now = find(after, item->kind, item->name);
        if (!has_topic(item) || (now != NULL && has_topic(now))) continue;
        int rc = make_left(item, arena, &left[facts->left_count++]);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- what becomes of each -------------------------------------------------------------------- */

static const struct weir_start_difference *difference_of(const struct weir_start_differences *found,
                                                         const struct weir_kept *item)
{
    for (size_t i = 0; has_topic(item) && i < found->count; i++) {
        const struct weir_start_difference *difference = &found->items[i];
        const bool is_store = item->kind == WEIR_KEPT_STORE;
        const bool is_of_store = difference->topic != NULL
                                     ? difference->topic->role == WEIR_START_CHANGELOG
                                     : difference->what == WEIR_START_STORE_LEFT ||
                                           difference->what == WEIR_START_BUFFER_LEFT;
        if (is_store == is_of_store && strcmp(difference->of, item->name) == 0) return difference;
    }
    return NULL;
}

static const char *text_of(const struct weir_topology_edit *edit)
{
    const struct weir_kept *item = edit->item;
    const bool is_new = edit->edit == WEIR_EDIT_NEW;
    if (edit->edit == WEIR_EDIT_KEPT) return NULL;
    switch (item->kind) {
    case WEIR_KEPT_INPUT:
        return is_new ? "read from its beginning" : "not read any more";
    case WEIR_KEPT_REPARTITION:
        return is_new ? "made by the start"
                      : "a start is refused while it has records that are not processed";
    case WEIR_KEPT_STORE:
        if (edit->edit == WEIR_EDIT_CHANGED) return "its rows stay where they were";
        return is_new ? "starts empty" : "its rows are not read any more";
    case WEIR_KEPT_NODE:
        if (is_new) return item->has_timers ? "its timers begin" : "its stream time begins";
        return item->has_timers ? "its timers are forgotten" : "its stream time is forgotten";
    }
    return NULL;
}

static int explain(struct weir_topology_edit *edit, const struct weir_start_difference *difference,
                   struct weir_arena *arena)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    edit->text = text_of(edit);
    if (difference == NULL) return 0;
    edit->is_refused = !weir_start_is_noted(difference->what);
    if (difference->what == WEIR_START_RENAMED_STORE) edit->edit = WEIR_EDIT_RENAMED;
    if (difference->what == WEIR_START_FORMAT || difference->what == WEIR_START_FORMAT_BETWEEN) {
        edit->edit = WEIR_EDIT_CHANGED;
    }
    weir_start_difference_text(difference, text, sizeof text);
    edit->text = weir_arena_printf(arena, "%s", text);
    return edit->text != NULL ? 0 : WEIR_NO_MEMORY;
}

static enum weir_edit edit_of(const struct weir_kept *old, const struct weir_kept *item)
{
    if (old == NULL) return WEIR_EDIT_NEW;
    return old->is_local == item->is_local ? WEIR_EDIT_KEPT : WEIR_EDIT_CHANGED;
}

int weir_topology_compare(const struct weir_topology_dump *before,
                          const struct weir_topology_dump *after, struct weir_arena *arena,
                          struct weir_topology_diff *diff_out)
{
    struct weir_start_facts facts;
    struct weir_start_differences found = {.arena = arena};
    struct weir_topology_diff diff = {0};
    diff.edits = weir_arena_array(arena, before->count + after->count + 1, sizeof *diff.edits);
    int rc = diff.edits != NULL ? make_facts(before, after, arena, &facts) : WEIR_NO_MEMORY;
    if (rc >= 0) rc = weir_start_compare(&facts, &found);
    for (size_t i = 0; rc >= 0 && i < after->count; i++) {
        const struct weir_kept *item = &after->items[i];
        struct weir_topology_edit *edit = &diff.edits[diff.count++];
        *edit = (struct weir_topology_edit){
            .edit = edit_of(find(before, item->kind, item->name), item), .item = item};
        rc = explain(edit, difference_of(&found, item), arena);
    }
    for (size_t i = 0; rc >= 0 && i < before->count; i++) {
        const struct weir_kept *item = &before->items[i];
        if (find(after, item->kind, item->name) != NULL) continue;
        struct weir_topology_edit *edit = &diff.edits[diff.count++];
        *edit = (struct weir_topology_edit){.edit = WEIR_EDIT_DROPPED, .item = item};
        rc = explain(edit, difference_of(&found, item), arena);
    }
    if (rc < 0) return rc;
    diff.is_refused = weir_start_decide(&facts, &found, WEIR_ON_MISMATCH_REFUSE, &diff.why) < 0;
    *diff_out = diff;
    return 0;
}

const char *weir_edit_name(enum weir_edit edit)
{
    static const char *const names[] = {
        [WEIR_EDIT_KEPT] = "kept",       [WEIR_EDIT_NEW] = "new",
        [WEIR_EDIT_DROPPED] = "dropped", [WEIR_EDIT_RENAMED] = "renamed",
        [WEIR_EDIT_CHANGED] = "changed",
    };
    return names[edit];
}
