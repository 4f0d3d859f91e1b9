#include "broker/engine/shortage.h"

#include "base/assert.h"
#include "base/env/env.h"
#include "base/error.h"

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

void weir_shortages_init(struct weir_shortages *shortages, struct weir_env *env, const char *path)
{
    weir_assert(env != NULL && path != NULL);
    *shortages = (struct weir_shortages){.env = env, .path = path};
}

static void begin(struct weir_shortages *shortages, int kind, const struct weir_error *error)
{
    char reason[2 * WEIR_ERROR_TEXT_SIZE];
    struct weir_shortage *shortage = &shortages->kinds[kind];
    atomic_store(&shortage->failed_at_ns, weir_mono_now(shortages->env).ns);
    if (atomic_exchange(&shortage->is_on, true)) return;
    weir_log(&shortages->env->logger, WEIR_LOG_ERROR, kinds[kind].begins,
             "path=%s reason=%s remedy=\"%s\"", shortages->path,
             weir_log_quote(reason, sizeof reason, error->text), kinds[kind].remedy);
}

static void end_if_quiet(struct weir_shortages *shortages, int kind)
{
    struct weir_shortage *shortage = &shortages->kinds[kind];
    int64_t quiet_ns = weir_mono_now(shortages->env).ns - atomic_load(&shortage->failed_at_ns);
    if (quiet_ns < QUIET_NS || !atomic_exchange(&shortage->is_on, false)) return;
    weir_log(&shortages->env->logger, WEIR_LOG_INFO, kinds[kind].ends, "path=%s", shortages->path);
}

void weir_shortages_note(struct weir_shortages *shortages, int rc, bool needed_files,
                         const struct weir_error *error)
{
    weir_assert(rc <= 0);
    for (int kind = 0; kind < WEIR_SHORTAGES; kind++) {
        const struct weir_shortage *shortage = &shortages->kinds[kind];
        if (kind == WEIR_SHORTAGE_DESCRIPTORS && !needed_files) continue;
        if (rc == kinds[kind].code) begin(shortages, kind, error);
        bool is_on = atomic_load_explicit(&shortage->is_on, memory_order_relaxed);
        if (rc == 0 && is_on) end_if_quiet(shortages, kind);
    }
}
