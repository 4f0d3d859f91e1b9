#include "tests/unit/operators/window_model.h"

#include <stdlib.h>
#include <string.h>

void model_init(struct window_model *model, const struct window_shape *shape)
{
    memset(model, 0, sizeof *model);
    model->shape = *shape;
    model->observed_ms = -1;
}

struct model_row *model_find(struct window_model *model, int key, int64_t start_ms, int64_t end_ms)
{
    for (int i = 0; i < model->row_count; i++) {
        struct model_row *row = &model->rows[i];
        if (row->key == key && row->start_ms == start_ms && row->end_ms == end_ms) return row;
    }
    return NULL;
}

static struct model_row *find_or_add(struct window_model *model, int key, int64_t start_ms,
                                     int64_t end_ms)
{
    struct model_row *row = model_find(model, key, start_ms, end_ms);
    if (row != NULL) return row;
    if (model->row_count == MODEL_ROWS) abort();
    row = &model->rows[model->row_count++];
    *row = (struct model_row){.key = key, .start_ms = start_ms, .end_ms = end_ms};
    return row;
}

bool model_has_closed(const struct window_model *model, const struct model_row *row)
{
    const struct window_shape *shape = &model->shape;
    switch (shape->kind) {
    case WINDOW_TIME:
        return row->end_ms <= model->observed_ms - shape->grace_ms;
    case WINDOW_SESSION:
        return row->end_ms < model->observed_ms - shape->grace_ms - shape->size_ms;
    case WINDOW_SLIDING:
        return row->end_ms < model->observed_ms - shape->grace_ms;
    }
    return false;
}

static void feed_time(struct window_model *model, int key, int64_t timestamp_ms)
{
    const struct window_shape *shape = &model->shape;
    for (int64_t start = 0; start <= timestamp_ms; start += shape->advance_ms) {
        const int64_t end = start + shape->size_ms;
        if (end <= timestamp_ms) continue;
        if (end <= model->observed_ms - shape->grace_ms) {
            model->late++;
        } else {
            find_or_add(model, key, start, end)->count++;
        }
    }
}

/* Sessions are found as they were before the record: those that have ended long ago are not. */
static void feed_session(struct window_model *model, int key, int64_t timestamp_ms,
                         int64_t before_ms)
{
    const struct window_shape *shape = &model->shape;
    int64_t start = timestamp_ms, end = timestamp_ms, count = 1;
    bool is_taken[MODEL_ROWS] = {false};
    for (int i = 0; i < model->row_count; i++) {
        const struct model_row *row = &model->rows[i];
        if (row->key != key || row->count == 0) continue;
        if (row->end_ms <= before_ms - shape->grace_ms - shape->size_ms) continue;
        if (row->end_ms < timestamp_ms - shape->size_ms) continue;
        if (row->start_ms > timestamp_ms + shape->size_ms) continue;
        is_taken[i] = true;
        count += row->count;
        if (row->start_ms < start) start = row->start_ms;
        if (row->end_ms > end) end = row->end_ms;
    }
    if (end < model->observed_ms - shape->grace_ms - shape->size_ms) {
        model->late++;
        return;
    }
    for (int i = 0; i < model->row_count; i++) {
        if (is_taken[i]) model->rows[i].count = 0;
    }
    find_or_add(model, key, start, end)->count = count;
}

static int64_t count_between(const struct window_model *model, int key, int64_t from, int64_t to)
{
    int64_t count = 0;
    for (int i = 0; i < model->record_count; i++) {
        const int64_t time = model->records[i].timestamp_ms;
        count += model->records[i].key == key && time >= from && time <= to;
    }
    return count;
}

static void feed_sliding(struct window_model *model, int key)
{
    const int64_t size = model->shape.size_ms;
    for (int i = 0; i < model->record_count; i++) {
        if (model->records[i].key != key) continue;
        const int64_t time = model->records[i].timestamp_ms;
        const int64_t left = time < size ? 0 : time - size;
        const int64_t starts[] = {left, time + 1};
        for (int s = 0; s < 2; s++) {
            const int64_t count = count_between(model, key, starts[s], starts[s] + size);
            if (count > 0) find_or_add(model, key, starts[s], starts[s] + size)->count = count;
        }
    }
}

void model_feed(struct window_model *model, int key, int64_t timestamp_ms)
{
    const int64_t before_ms = model->observed_ms;
    if (timestamp_ms > model->observed_ms) model->observed_ms = timestamp_ms;
    if (model->record_count == MODEL_RECORDS) abort();
    model->records[model->record_count].key = key;
    model->records[model->record_count++].timestamp_ms = timestamp_ms;
    switch (model->shape.kind) {
    case WINDOW_TIME:
        feed_time(model, key, timestamp_ms);
        break;
    case WINDOW_SESSION:
        feed_session(model, key, timestamp_ms, before_ms);
        break;
    case WINDOW_SLIDING:
        feed_sliding(model, key);
        break;
    }
}
