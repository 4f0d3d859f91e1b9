#include "runtime/task/restore.h"

/*
 * A tombstone may go delete.retention.ms after compaction has first met it. Who has caught up with the log's end at some
 * moment has seen all that are older; so no tombstone is missed by whoever reads on before that much time has passed.
 *
 *     log      |--- compacted ---|-- not yet --|
 *                  ^ position     ^ compacted end      a tombstone between the two may be gone, if it is old enough
 *
 * What nothing was appended behind, or where compaction has not been, lacks nothing, however old it is. Time is that of
 * the wall clock, as the log's is: one that is put forward and back again between two starts tells neither.
 */
bool weir_restore_may_lack_tombstones(const struct weir_changelog_position *position,
                                      const struct weir_restore_source *source,
                                      struct weir_wall now)
{
    if (position->offset == 0 || source->keeps_tombstones) return false;
    if (position->offset >= source->log_end || position->offset >= source->compacted_end) {
        return false;
    }
    const int64_t caught_up_ms = position->caught_up_ms;
    if (caught_up_ms == 0 || caught_up_ms > now.ms) return true;
    return now.ms - caught_up_ms >= source->delete_retention_ms;
}
