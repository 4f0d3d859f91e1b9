#include "broker/metadata/config_overrides.h"

#include <string.h>

#include "base/grow.h"
#include "weir/error.h"

void weir_config_overrides_close(struct weir_config_overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++) {
        weir_free(overrides->rows[i].key);
        weir_free(overrides->rows[i].value);
    }
    weir_free(overrides->rows);
    *overrides = (struct weir_config_overrides){0};
}

int weir_config_overrides_copy(struct weir_budget *budget, const struct weir_config_overrides *from,
                               struct weir_config_overrides *to)
{
    struct weir_config_overrides copy = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < from->count; i++) {
        rc = weir_config_overrides_set(budget, &copy, weir_text(from->rows[i].key),
                                       weir_text(from->rows[i].value));
    }
    if (rc < 0) {
        weir_config_overrides_close(&copy);
    } else {
        *to = copy;
    }
    return rc;
}

static struct weir_config_override *find(struct weir_config_overrides *overrides,
                                         struct weir_slice key)
{
    for (size_t i = 0; i < overrides->count; i++) {
        struct weir_config_override *row = &overrides->rows[i];
        if (weir_slice_equal(weir_text(row->key), key)) return row;
    }
    return NULL;
}

static void remove_row(struct weir_config_overrides *overrides, struct weir_config_override *row)
{
    if (row == NULL) return;
    weir_free(row->key);
    weir_free(row->value);
    struct weir_config_override *end = overrides->rows + overrides->count;
    memmove(row, row + 1, (size_t)((char *)end - (char *)(row + 1)));
    overrides->count--;
}

/* Room for one more; false when memory is out. */
static bool grow(struct weir_budget *budget, struct weir_config_overrides *overrides)
{
    if (overrides->count < overrides->capacity) return true;
    size_t capacity = weir_grown(overrides->capacity, 4);
    struct weir_config_override *rows =
        weir_realloc(budget, overrides->rows, capacity * sizeof *rows);
    if (rows == NULL) return false;
    overrides->rows = rows;
    overrides->capacity = capacity;
    return true;
}

int weir_config_overrides_set(struct weir_budget *budget, struct weir_config_overrides *overrides,
                              struct weir_slice key, struct weir_slice value)
{
    struct weir_config_override *row = find(overrides, key);
    if (weir_slice_is_null(value)) {
        remove_row(overrides, row);
        return 0;
    }
    char *value_text = weir_alloc_text(budget, (const char *)value.data, value.size);
    if (value_text == NULL) return WEIR_NO_MEMORY;
    if (row != NULL) {
        weir_free(row->value);
        row->value = value_text;
        return 0;
    }
    char *key_text = weir_alloc_text(budget, (const char *)key.data, key.size);
    if (key_text == NULL || !grow(budget, overrides)) {
        weir_free(key_text);
        weir_free(value_text);
        return WEIR_NO_MEMORY;
    }
    overrides->rows[overrides->count++] =
        (struct weir_config_override){.key = key_text, .value = value_text};
    return 0;
}
