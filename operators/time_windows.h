#ifndef WEIR_OPERATORS_TIME_WINDOWS_H
#define WEIR_OPERATORS_TIME_WINDOWS_H

#include "operators/operators.h"
#include "operators/window_close.h"

/**
 * Windows of one size that begin at the multiples of an advance, as the operators over them count
 * (aggregate.c, slices.c). The node's config is a struct weir_aggregate_config of such windows.
 */
static inline int64_t weir_window_advance(const struct weir_aggregate_config *config)
{
    return config->window_advance_ms > 0 ? config->window_advance_ms : config->window_size_ms;
}

/** How many windows a row is in, at most. */
size_t weir_windows_per_row(const struct weir_aggregate_config *config);
/** Where the first window begins that a time is in, which is not negative. */
static inline int64_t weir_first_window_start(const struct weir_aggregate_config *config,
                                              int64_t time_ms)
{
    const int64_t beyond_ms = time_ms - (config->window_size_ms - config->window_advance_ms);
    return beyond_ms <= 0 ? 0 : beyond_ms - beyond_ms % config->window_advance_ms;
}

/** W4: the starts of windows that end at or before the close time and have not been emitted. False:
 * there is none. */
bool weir_time_windows_closed(const struct weir_node *node, struct weir_closed_range *range_out);
/** Tell the node's store how far time is. What begins at `held_from_ms` or later stays, whatever it
 * is. */
void weir_time_windows_advance(const struct weir_node *node, int64_t held_from_ms);

#endif
