#include "base/state_table.h"

#include <stdio.h>

#include "base/assert.h"

const char *weir_state_name(const struct weir_state_table *table, size_t state)
{
    const char *name = state < table->count ? table->rows[state].name : NULL;
    return name != NULL ? name : "?";
}

_Noreturn void weir_state_refused(const struct weir_state_table *table, const char *object,
                                  size_t from, size_t to)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s '%s': '%s' (%zu) is not followed by '%s' (%zu)",
                   table->noun, object, weir_state_name(table, from), from,
                   weir_state_name(table, to), to); /* cut if it must be */
    weir_assert_failed(text, __FILE__, __LINE__, __func__);
}
