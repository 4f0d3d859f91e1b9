#include "operators/slice_work.h"

int weir_slices_work_init(struct weir_slices_work *work, struct weir_node *node,
                          const struct weir_batch *batch)
{
    const struct weir_store_spec *spec = weir_store_spec(node->stores[0]);
    struct weir_arena *arena = weir_node_arena(node);
    *work = (struct weir_slices_work){
        .node = node,
        .config = node->plan->config,
        .state = node->state,
        .batch = batch,
        .is_cached = spec->is_cached && weir_node_caches(node),
        .is_forwarded = weir_row_fold_forwards(node),
    };
    work->is_noted = work->is_cached && node->plan->child_count > 0;
    weir_row_fold_init(&work->fold, node, false);
    weir_rows_init(&work->rows, arena, spec->keeps_old, true);
    if (batch == NULL) return 0;
    const size_t capacity =
        batch->count < WEIR_SLICES_PIECE_ROWS ? batch->count : WEIR_SLICES_PIECE_ROWS;
    work->piece = (struct weir_slices_piece){
        .rows = weir_arena_array(arena, capacity, sizeof *work->piece.rows),
        .starts = weir_arena_array(arena, capacity, sizeof *work->piece.starts),
        .firsts = weir_arena_array(arena, capacity, sizeof *work->piece.firsts),
        .keys = weir_arena_array(arena, capacity, sizeof *work->piece.keys),
        .entries = weir_arena_array(arena, capacity, sizeof(void *)),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

void weir_slices_advance(struct weir_node *node)
{
    const struct weir_slices *state = node->state;
    weir_time_windows_advance(node, state->changes.from_ms);
}
