#include "base/state_table.h"

#include <stdio.h>

#include "base/assert.h"

const char *weir_state_name(const struct weir_state_table *table, unsigned state)
{
    const char *name = state < table->count ? table->rows[state].name : NULL;
    return name != NULL ? name : "?";
}

_Noreturn void weir_state_refused(const struct weir_state_table *table, const char *object,
                                  unsigned from, unsigned to)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s '%s': '%s' (%u) is not followed by '%s' (%u)",
                   table->noun, object, weir_state_name(table, from), from,
                   weir_state_name(table, to), to); /* cut if it must be */
    weir_assert_failed(text, __FILE__, __LINE__, __func__);
}
