#include "broker/engine/flush_group.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/boot_file.h"

/*
 * An append makes its log dirty and puts it on a list; at the end of the shard's turn all that is on the
 * list goes into one flush. What becomes dirty meanwhile gathers for the next:
 *
 *     append 1 ──┐                       append 3, 4, 5 ──┐
 *     append 2 ──┤ dirty list                             ┤ dirty list
 *                └─turn ends──> in flight ────────────────│──> flushed: acks 1, 2
 *                               (worker: fdatasync each,  └─turn ends──> in flight ──> acks 3, 4, 5
 *                                or one syncfs for all)
 *
 * So a flush takes as many appends as arrive while the disk works: the slower the disk, the larger the
 * group, without a delay that somebody has to choose. An append never joins a flush that has begun: what
 * a sync covers is captured when it begins (weir_log_sync_begin), and nothing else is acknowledged by it.
 *
 * An entry is in one of three lists, or in none, by its one `next`:
 *
 *     none ──add──> dirty ──run──> in flight ──flushed──> none, or dirty again
 *       └──add, lazy──> lazy ──a second later──> dirty
 *
 * In flight it is not listed, though it may be dirty again by then: `flushed` sees that and adds it. A log
 * that a worker has for something else stays on the dirty list until it is back.
 */

void weir_flush_group_init(struct weir_flush_group *group, struct weir_serving *serving,
                           struct weir_actor *const *actor, const struct weir_flush_ops *ops)
{
    weir_assert(serving != NULL && actor != NULL && ops != NULL);
    *group = (struct weir_flush_group){
        .serving = serving, .actor = actor, .ops = ops, .lazy_at = WEIR_MONO_NEVER};
}

int weir_flush_group_open(struct weir_flush_group *group, struct weir_error *error)
{
    const struct weir_serving *serving = group->serving;
    struct weir_file_stat stat;
    weir_assert(group->anchor == NULL);
    int rc = weir_directory_open(serving->env, serving->log_path, &group->anchor, error);
    if (rc == 0) rc = weir_file_stat(group->anchor, &stat, error);
    if (rc == 0) group->device = stat.device;
    return rc;
}

void weir_flush_group_close(struct weir_flush_group *group)
{
    weir_assert(!group->is_in_flight);
    weir_file_close(group->anchor);
    group->anchor = NULL;
}

void weir_flush_group_check(const struct weir_flush_group *group)
{
    weir_assert((group->dirty_first == NULL) == (group->dirty_last == NULL));
    weir_assert(group->dirty_last == NULL || group->dirty_last->next == NULL);
    weir_assert(group->is_in_flight == (group->flight_first != NULL));
    weir_assert(group->is_in_flight == (group->flight_count > 0));
    weir_assert(group->lazy_first == NULL || group->lazy_at.ns != WEIR_MONO_NEVER.ns);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void push_dirty(struct weir_flush_group *group, struct weir_flush_entry *entry)
{
    weir_assert(entry->is_listed && !entry->is_in_flight);
    entry->next = NULL;
    if (group->dirty_last != NULL) {
        group->dirty_last->next = entry;
    } else {
        group->dirty_first = entry;
    }
    group->dirty_last = entry;
}

void weir_flush_group_add(struct weir_flush_group *group, struct weir_flush_entry *entry,
                          bool is_lazy)
{
    /* In flight its link belongs to the flight; it is listed again when it comes back dirty. */
    if (entry->is_listed || entry->is_in_flight) return;
    entry->is_listed = true;
    if (!is_lazy) {
        push_dirty(group, entry);
        return;
    }
    entry->next = group->lazy_first;
    group->lazy_first = entry;
    if (group->lazy_at.ns == WEIR_MONO_NEVER.ns) {
        group->lazy_at =
            weir_mono_after_ms(weir_mono_now(group->serving->env), WEIR_FLUSH_OS_DELAY_MS);
    }
}

/* Take `entry` out of the list that begins at `*first`; false if it is not in it. */
static bool unlink_from(struct weir_flush_entry **first, const struct weir_flush_entry *entry)
{
    for (struct weir_flush_entry **link = first; *link != NULL; link = &(*link)->next) {
        if (*link == entry) {
            *link = entry->next;
            return true;
        }
    }
    return false;
}

void weir_flush_group_remove(struct weir_flush_group *group, struct weir_flush_entry *entry)
{
    weir_assert(!entry->is_in_flight);
    if (!entry->is_listed) return;
    if (!unlink_from(&group->lazy_first, entry)) {
        bool was_dirty = unlink_from(&group->dirty_first, entry);
        weir_assert(was_dirty);
        group->dirty_last = group->dirty_first;
        while (group->dirty_last != NULL && group->dirty_last->next != NULL) {
            group->dirty_last = group->dirty_last->next;
        }
    }
    entry->next = NULL;
    entry->is_listed = false;
}

/* ---- in flight ------------------------------------------------------------------------------- */

static struct weir_flush_group *group_of(struct weir_work *work)
{
    return (struct weir_flush_group *)work; /* its first member */
}

static void sync_each(void *context, size_t index)
{
    struct weir_flush_entry *const *entries = context;
    weir_log_sync_run(&entries[index]->sync, false);
}

static void run_each(struct weir_flush_group *group)
{
    struct weir_flush_entry *entries[WEIR_FLUSH_FILE_SYSTEM_FROM];
    size_t count = 0;
    for (struct weir_flush_entry *entry = group->flight_first; entry != NULL; entry = entry->next)
        entries[count++] = entry;
    weir_assert(count == group->flight_count);
    weir_each(group->serving->env, count, sync_each, (void *)entries);
}

static void run_together(struct weir_flush_group *group)
{
    const struct weir_serving *serving = group->serving;
    struct weir_flush_entry *entry;
    struct weir_error error = {0};
    for (entry = group->flight_first; entry != NULL; entry = entry->next)
        weir_log_sync_prepare(&entry->sync);
    int rc = weir_sync_file_system(group->anchor, &error);
    if (rc < 0) {
        weir_boot_file_forget_all(serving->env, serving->log_path);
        weir_serving_go_offline(group->serving, &error); /* now: other works are to hear of it */
    }
    for (entry = group->flight_first; entry != NULL; entry = entry->next) {
        if (rc == 0) {
            weir_log_sync_run(&entry->sync, true);
        } else {
            weir_log_sync_failed(&entry->sync, rc, &error);
        }
    }
}

/* On a worker. */
static void run(struct weir_work *work)
{
    struct weir_flush_group *group = group_of(work);
    if (group->flight_count < WEIR_FLUSH_FILE_SYSTEM_FROM) {
        run_each(group);
    } else {
        run_together(group);
    }
}

/* On the shard. */
static void done(struct weir_message *message)
{
    struct weir_flush_group *group = group_of((struct weir_work *)message);
    struct weir_serving *serving = group->serving;
    struct weir_flush_entry *entry = group->flight_first;
    weir_assert(group->is_in_flight && entry != NULL);
    int64_t took_ns = weir_mono_now(serving->env).ns - group->began.ns;
    weir_histogram_add(&group->duration_us, took_ns / 1000);
    weir_counter_add(&group->flushes, 1);
    group->flight_first = NULL;
    group->flight_count = 0;
    group->is_in_flight = false;
    while (entry != NULL) {
        struct weir_flush_entry *next = entry->next;
        weir_assert(entry->is_in_flight && !entry->is_listed);
        entry->next = NULL;
        entry->is_in_flight = false;
        group->ops->flushed(entry); /* it may be gone now */
        entry = next;
    }
    weir_serving_release(serving);
}

/* Have one entry's sync begin; true if it flies. One whose log is with a worker stays in the list. */
static bool begin(struct weir_flush_group *group, struct weir_flush_entry *entry)
{
    weir_assert(entry->is_listed && !entry->is_in_flight);
    int rc = group->ops->begin(entry);
    if (rc == WEIR_END) {
        push_dirty(group, entry);
        return false;
    }
    weir_assert(rc <= 0 && !weir_code_is_shortage(rc));
    entry->is_listed = false;
    if (rc < 0) {
        group->ops->refused(entry, rc);
        return false;
    }
    entry->is_in_flight = true;
    return true;
}

static void take_lazy(struct weir_flush_group *group, struct weir_mono now)
{
    if (now.ns < group->lazy_at.ns) return;
    group->lazy_at = WEIR_MONO_NEVER;
    while (group->lazy_first != NULL) {
        struct weir_flush_entry *entry = group->lazy_first;
        group->lazy_first = entry->next;
        push_dirty(group, entry);
    }
}

int weir_flush_group_run(struct weir_flush_group *group, struct weir_mono now)
{
    weir_flush_group_check(group);
    take_lazy(group, now);
    struct weir_flush_entry *waiting = group->dirty_first;
    struct weir_serving *serving = group->serving;
    if (group->is_in_flight || waiting == NULL) return 0;
    if (atomic_load_explicit(&serving->is_offline, memory_order_relaxed)) return 0;
    if (!weir_serving_try_hold(serving)) return 0; /* closing syncs what is left */

    struct weir_flush_entry **flight_last = &group->flight_first;
    group->dirty_first = NULL;
    group->dirty_last = NULL;
    while (waiting != NULL) {
        struct weir_flush_entry *entry = waiting;
        waiting = entry->next;
        entry->next = NULL;
        if (!begin(group, entry)) continue;
        *flight_last = entry;
        flight_last = &entry->next;
        group->flight_count++;
    }
    if (group->flight_count == 0) {
        weir_serving_release(serving);
        return 0;
    }
    group->is_in_flight = true;
    group->began = now;
    group->work = (struct weir_work){.done.handle = done, .run = run, .reply_to = *group->actor};
    weir_work_submit(serving->env, &group->work);
    return (int)group->flight_count;
}

struct weir_mono weir_flush_group_deadline(const struct weir_flush_group *group)
{
    return group->lazy_at;
}
