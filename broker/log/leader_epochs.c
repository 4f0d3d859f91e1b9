#include "broker/log/leader_epochs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/grow.h"

void weir_leader_epochs_init(struct weir_leader_epochs *epochs, struct weir_budget *budget)
{
    *epochs = (struct weir_leader_epochs){.budget = budget};
}

void weir_leader_epochs_close(struct weir_leader_epochs *epochs)
{
    weir_free(epochs->entries);
    epochs->entries = NULL;
    epochs->count = 0;
    epochs->capacity = 0;
}

static bool rises(const struct weir_leader_epochs *epochs)
{
    for (size_t i = 1; i < epochs->count; i++) {
        const struct weir_epoch_entry *entry = &epochs->entries[i];
        if (entry[-1].epoch >= entry->epoch) return false;
        if (entry[-1].start_offset >= entry->start_offset) return false;
    }
    return true;
}

void weir_leader_epochs_check(const struct weir_leader_epochs *epochs)
{
    weir_assert(epochs->count <= epochs->capacity);
    weir_assert((epochs->entries == NULL) == (epochs->capacity == 0));
    weir_assert_slow(rises(epochs));
}

int weir_leader_epochs_reserve(struct weir_leader_epochs *epochs)
{
    if (epochs->count < epochs->capacity) return 0;
    size_t capacity = weir_grown(epochs->capacity, 4);
    struct weir_epoch_entry *entries =
        weir_realloc(epochs->budget, epochs->entries, capacity * sizeof *entries);
    if (entries == NULL) return WEIR_NO_MEMORY;
    epochs->entries = entries;
    epochs->capacity = capacity;
    return 0;
}

void weir_leader_epochs_assign(struct weir_leader_epochs *epochs, int32_t epoch, int64_t offset)
{
    int32_t last = weir_leader_epochs_last(epochs);
    if (epoch == last) return;
    weir_assert(epoch > last);
    /* The head was cut up to the end: nothing of the last epoch is left, and it makes room. */
    if (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset == offset) {
        epochs->count--;
    }
    weir_assert(epochs->count < epochs->capacity);
    weir_assert(epochs->count == 0 || epochs->entries[epochs->count - 1].start_offset < offset);
    epochs->entries[epochs->count++] = (struct weir_epoch_entry){epoch, offset};
    weir_leader_epochs_check(epochs);
}

int32_t weir_leader_epochs_last(const struct weir_leader_epochs *epochs)
{
    return epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
}

int32_t weir_leader_epochs_at(const struct weir_leader_epochs *epochs, int64_t offset,
                              int64_t *end_out)
{
    *end_out = INT64_MAX;
    for (size_t i = epochs->count; i > 0; i--) {
        if (epochs->entries[i - 1].start_offset <= offset) return epochs->entries[i - 1].epoch;
        *end_out = epochs->entries[i - 1].start_offset;
    }
    return -1;
}

void weir_leader_epochs_end(const struct weir_leader_epochs *epochs, int32_t epoch,
                            int64_t end_offset, int32_t *epoch_out, int64_t *end_out)
{
    *epoch_out = -1;
    *end_out = -1;
    for (size_t i = epochs->count; i > 0; i--) {
        if (epochs->entries[i - 1].epoch > epoch) continue;
        *epoch_out = epochs->entries[i - 1].epoch;
        *end_out = i == epochs->count ? end_offset : epochs->entries[i].start_offset;
        return;
    }
}

void weir_leader_epochs_cut_tail(struct weir_leader_epochs *epochs, int64_t offset)
{
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= offset) {
        epochs->count--;
    }
}

void weir_leader_epochs_cut_head(struct weir_leader_epochs *epochs, int64_t offset)
{
    size_t gone = 0;
    while (gone + 1 < epochs->count && epochs->entries[gone + 1].start_offset <= offset) {
        gone++;
    }
    if (gone > 0) {
        epochs->count -= gone;
        memmove(epochs->entries, epochs->entries + gone, epochs->count * sizeof *epochs->entries);
    }
    if (epochs->count > 0 && epochs->entries[0].start_offset < offset) {
        epochs->entries[0].start_offset = offset;
    }
    weir_leader_epochs_check(epochs);
}

void weir_leader_epochs_encode(const struct weir_leader_epochs *epochs, struct weir_buffer *to)
{
    char line[64];
    int size = snprintf(line, sizeof line, "0\n%zu\n", epochs->count);
    weir_buffer_append(to, line, (size_t)size);
    for (size_t i = 0; i < epochs->count; i++) {
        size = snprintf(line, sizeof line, "%" PRId32 " %" PRId64 "\n", epochs->entries[i].epoch,
                        epochs->entries[i].start_offset);
        weir_buffer_append(to, line, (size_t)size);
    }
}

/* A number without sign that ends with `end`, which is taken as well. */
static bool take_number(struct weir_slice *text, char end, int64_t *number_out)
{
    int64_t number = 0;
    size_t at = 0;
    while (at < text->size && text->data[at] >= '0' && text->data[at] <= '9') {
        if (__builtin_mul_overflow(number, 10, &number)) return false;
        if (__builtin_add_overflow(number, text->data[at] - '0', &number)) return false;
        at++;
    }
    if (at == 0 || at == text->size || text->data[at] != (uint8_t)end) return false;
    *text = weir_slice(text->data + at + 1, text->size - at - 1);
    *number_out = number;
    return true;
}

static bool take_entry(struct weir_slice *text, const struct weir_leader_epochs *epochs,
                       struct weir_epoch_entry *entry_out)
{
    int64_t epoch;
    int64_t start;
    if (!take_number(text, ' ', &epoch) || !take_number(text, '\n', &start)) return false;
    if (epoch > INT32_MAX || epoch <= weir_leader_epochs_last(epochs)) return false;
    if (epochs->count > 0 && start <= epochs->entries[epochs->count - 1].start_offset) return false;
    *entry_out = (struct weir_epoch_entry){(int32_t)epoch, start};
    return true;
}

int weir_leader_epochs_decode(struct weir_leader_epochs *epochs, struct weir_slice text,
                              struct weir_error *error)
{
    struct weir_leader_epochs read = {.budget = epochs->budget};
    int64_t version;
    int64_t count;
    int rc = 0;
    bool fits = take_number(&text, '\n', &version) && version == 0 &&
                take_number(&text, '\n', &count) && (uint64_t)count <= text.size;
    for (int64_t i = 0; fits && i < count; i++) {
        struct weir_epoch_entry entry;
        fits = take_entry(&text, &read, &entry);
        if (!fits) break;
        rc = weir_leader_epochs_reserve(&read);
        if (rc < 0) goto out;
        weir_leader_epochs_assign(&read, entry.epoch, entry.start_offset);
    }
    if (!fits || text.size != 0) {
        rc = weir_error_set(error, WEIR_CORRUPT, "epoch checkpoint: line %zu does not fit",
                            read.count + 3);
        goto out;
    }
    struct weir_leader_epochs old = *epochs;
    *epochs = read;
    read = old;
out:
    weir_leader_epochs_close(&read);
    return rc;
}
