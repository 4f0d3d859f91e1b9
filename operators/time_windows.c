#include "operators/time_windows.h"

#include "base/saturate.h"

size_t weir_windows_per_row(const struct weir_aggregate_config *config)
{
    if (config->window_size_ms == 0 || config->window_advance_ms == 0) return 1;
    return (size_t)((config->window_size_ms - 1) / config->window_advance_ms) + 1;
}

/* Starts lie at the multiples of the advance: where none does there is nothing to look for. */
bool weir_time_windows_closed(const struct weir_node *node, struct weir_closed_range *range_out)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const int64_t advance_ms = weir_window_advance(config);
    const int64_t size_ms = config->window_size_ms;
    const int64_t close_ms = node->observed_ms - config->grace_ms;
    *range_out = (struct weir_closed_range){
        .from_ms = node->emitted_ms < size_ms ? 0 : node->emitted_ms - size_ms + 1,
        .to_ms = close_ms - size_ms,
        .close_ms = close_ms,
    };
    return range_out->to_ms >= range_out->from_ms &&
           range_out->to_ms / advance_ms * advance_ms >= range_out->from_ms;
}

/* A store of windows goes by the start of the newest one, as in Kafka Streams: several inputs of a
 * cogroup share it, and what is open for one of them has to be there though another one is further
 * on. And what has not been emitted does not expire, however far time jumps. */
void weir_time_windows_advance(const struct weir_node *node, int64_t held_from_ms)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (node->observed_ms < 0) return;
    int64_t time_ms = node->observed_ms - node->observed_ms % weir_window_advance(config);
    if (config->emits_on_close) {
        const int64_t next_ms =
            node->emitted_ms < 0 ? 0 : node->emitted_ms - config->window_size_ms + 1;
        if (next_ms < held_from_ms) held_from_ms = next_ms;
    }
    const int64_t held_ms = weir_saturating_add(held_from_ms, config->retention_ms - 1);
    if (held_ms < time_ms) time_ms = held_ms;
    if (time_ms >= 0) weir_store_advance(node->stores[0], time_ms);
}
