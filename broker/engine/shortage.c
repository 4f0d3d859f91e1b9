#include "broker/engine/shortage.h"

#include "base/error.h"
#include "broker/engine/broker_internal.h"

#define QUIET_NS (INT64_C(1000) * 1000 * 1000)

static const struct {
    int code;
    const char *begins;
    const char *ends;
    const char *remedy;
} kinds[] = {
    [WEIR_SHORTAGE_SPACE] = {WEIR_NO_SPACE, "disk.full", "disk.has_room",
                             "nothing is lost; make room and writing goes on by itself"},
    [WEIR_SHORTAGE_DESCRIPTORS] = {WEIR_LIMIT, "descriptors.out", "descriptors.back",
                                   "nothing is lost; raise the limit of open files (ulimit -n)"},
};

static void begin(struct weir_broker *broker, int kind, const struct weir_error *error)
{
    char reason[2 * WEIR_ERROR_TEXT_SIZE];
    struct weir_shortage *shortage = &broker->shortages[kind];
    atomic_store(&shortage->failed_at_ns, weir_mono_now(broker->env).ns);
    if (atomic_exchange(&shortage->is_on, true)) return;
    weir_log(&broker->env->logger, WEIR_LOG_ERROR, kinds[kind].begins,
             "path=%s reason=%s remedy=\"%s\"", broker->directory.path.text,
             weir_log_quote(reason, sizeof reason, error->text), kinds[kind].remedy);
}

static void end_if_quiet(struct weir_broker *broker, int kind)
{
    struct weir_shortage *shortage = &broker->shortages[kind];
    int64_t quiet_ns = weir_mono_now(broker->env).ns - atomic_load(&shortage->failed_at_ns);
    if (quiet_ns < QUIET_NS || !atomic_exchange(&shortage->is_on, false)) return;
    weir_log(&broker->env->logger, WEIR_LOG_INFO, kinds[kind].ends, "path=%s",
             broker->directory.path.text);
}

void weir_shortage_note(struct weir_broker *broker, int rc, bool needed_files,
                        const struct weir_error *error)
{
    for (int kind = 0; kind < WEIR_SHORTAGES; kind++) {
        if (kind == WEIR_SHORTAGE_DESCRIPTORS && !needed_files) continue;
        if (rc == kinds[kind].code) begin(broker, kind, error);
        bool is_on = atomic_load_explicit(&broker->shortages[kind].is_on, memory_order_relaxed);
        if (rc == 0 && is_on) end_if_quiet(broker, kind);
    }
}
