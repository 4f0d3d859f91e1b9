#include "broker/log/file_set.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/boot_file.h"

enum {
    CLOSED = -1,
    LOOKS_MAX = 128,  /* files that the hand passes for one place, at most */
    YIELDED_MAX = 16, /* places given up when the system has no descriptor for us */
};

/* ---- the ring -------------------------------------------------------------------------------- */

static void lock(struct weir_file_set *set)
{
    while (atomic_flag_test_and_set_explicit(&set->lock, memory_order_acquire)) {
    }
}

static void unlock(struct weir_file_set *set)
{
    atomic_flag_clear_explicit(&set->lock, memory_order_release);
}

/* Behind the hand: it comes round to it last. */
static void put_in(struct weir_file_set *set, struct weir_kept_file *kept)
{
    weir_assert(kept->next == NULL);
    struct weir_kept_file *hand = set->hand;
    if (hand == NULL) {
        kept->next = kept->previous = set->hand = kept;
        return;
    }
    kept->next = hand;
    kept->previous = hand->previous;
    hand->previous->next = kept;
    hand->previous = kept;
}

static void take_out(struct weir_file_set *set, struct weir_kept_file *kept)
{
    weir_assert(kept->next != NULL);
    weir_assert(set->count > 0);
    kept->next->previous = kept->previous;
    kept->previous->next = kept->next;
    if (set->hand == kept) set->hand = kept->next != kept ? kept->next : NULL;
    kept->next = kept->previous = NULL;
    set->count--;
}

void weir_file_set_init(struct weir_file_set *set, size_t count_max)
{
    weir_assert(count_max > 0);
    *set = (struct weir_file_set){.count_max = count_max};
    atomic_flag_clear(&set->lock);
}

size_t weir_file_set_count(struct weir_file_set *set)
{
    lock(set);
    size_t count = set->count;
    unlock(set);
    return count;
}

/* ---- dirt ------------------------------------------------------------------------------------ */

void weir_kept_file_note_write(struct weir_kept_file *kept)
{
    weir_assert(atomic_load_explicit(&kept->holds, memory_order_relaxed) > 0);
    atomic_fetch_add_explicit(&kept->written, 1, memory_order_relaxed);
}

uint64_t weir_kept_file_mark(const struct weir_kept_file *kept)
{
    return atomic_load_explicit(&kept->written, memory_order_relaxed);
}

/* A sync that began later may have ended before. */
void weir_kept_file_note_sync(struct weir_kept_file *kept, uint64_t mark)
{
    uint64_t synced = atomic_load_explicit(&kept->synced, memory_order_relaxed);
    while (synced < mark &&
           !atomic_compare_exchange_weak_explicit(&kept->synced, &synced, mark,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
    }
}

static bool has_writes(const struct weir_kept_file *kept)
{
    return atomic_load_explicit(&kept->written, memory_order_relaxed) !=
           atomic_load_explicit(&kept->synced, memory_order_acquire);
}

bool weir_kept_file_is_dirty(const struct weir_kept_file *kept)
{
    return has_writes(kept) || atomic_load(&kept->has_failed);
}

void weir_kept_file_give_up(struct weir_kept_file *kept)
{
    weir_kept_file_note_sync(kept, weir_kept_file_mark(kept));
    atomic_store(&kept->has_failed, false);
}

int weir_kept_file_sync(struct weir_kept_file *kept, struct weir_error *error)
{
    if (atomic_load(&kept->has_failed)) {
        return weir_error_set(error, WEIR_IO, "an earlier sync of the file has failed");
    }
    if (!has_writes(kept)) return 0;
    weir_assert(atomic_load_explicit(&kept->holds, memory_order_relaxed) > 0);
    uint64_t mark = weir_kept_file_mark(kept);
    int rc = weir_file_sync(kept->file, error);
    if (rc == 0) weir_kept_file_note_sync(kept, mark);
    /* Now, for the owner may be killed before it hears of it. */
    if (rc < 0) weir_boot_file_forget_beside(kept->file);
    return rc;
}

/* ---- making room: under the lock, unless it says otherwise ------------------------------------ */

/* Close it if nobody holds it and nothing of it is waited for; its handle is the caller's to close. */
static struct weir_file *try_close(struct weir_file_set *set, struct weir_kept_file *kept)
{
    int idle = 0;
    if (kept->next == NULL) return NULL;
    if (!atomic_compare_exchange_strong(&kept->holds, &idle, CLOSED)) return NULL;
    /* Asked now that nobody can hold it: before, its owner might have written meanwhile. */
    if (weir_kept_file_is_dirty(kept)) {
        atomic_store(&kept->holds, 0);
        return NULL;
    }
    struct weir_file *file = kept->file;
    kept->file = NULL;
    take_out(set, kept);
    return file;
}

/* Not one whose last reference is just going: that waits for the lock. */
static bool try_ref(struct weir_kept_file *kept)
{
    int references = atomic_load(&kept->references);
    while (references != 0) {
        if (atomic_compare_exchange_weak(&kept->references, &references, references + 1)) {
            return true;
        }
    }
    return false;
}

/* The hand goes on to a file that is idle and clean and was not used since it last came by, or else to
 * one that was. Where all are dirty the first of them is given, referenced. */
static struct weir_file *take_idle(struct weir_file_set *set, struct weir_kept_file **dirty_out)
{
    struct weir_kept_file *used = NULL;
    struct weir_kept_file *dirty = NULL;
    struct weir_file *file = NULL;
    for (int looks = 0; looks < LOOKS_MAX && set->hand != NULL && file == NULL; looks++) {
        struct weir_kept_file *kept = set->hand;
        set->hand = kept->next;
        if (atomic_load_explicit(&kept->holds, memory_order_relaxed) != 0) continue;
        if (weir_kept_file_is_dirty(kept)) {
            bool may_sync = dirty == NULL && !atomic_load(&kept->has_failed);
            if (may_sync) dirty = kept;
        } else if (atomic_exchange_explicit(&kept->was_used, false, memory_order_relaxed)) {
            if (used == NULL) used = kept;
        } else {
            file = try_close(set, kept);
        }
    }
    if (file == NULL && used != NULL) file = try_close(set, used);
    *dirty_out = file == NULL && dirty != NULL && try_ref(dirty) ? dirty : NULL;
    return file;
}

/* Without the lock. Held meanwhile, so that nobody closes it; its owner may write on. */
static void sync_idle(struct weir_kept_file *kept)
{
    int idle = 0;
    if (!atomic_compare_exchange_strong(&kept->holds, &idle, 1)) return;
    if (weir_kept_file_sync(kept, NULL) < 0) atomic_store(&kept->has_failed, true);
    weir_kept_file_release(kept);
}

/* Close one, synced first if there is no clean one. False: there is none. Lets go of the lock in
 * between. */
static bool close_one(struct weir_file_set *set)
{
    struct weir_kept_file *dirty;
    struct weir_file *file = take_idle(set, &dirty);
    unlock(set);
    if (dirty != NULL) {
        sync_idle(dirty);
        lock(set);
        file = try_close(set, dirty);
        unlock(set);
        weir_kept_file_unref(dirty);
    }
    weir_file_close(file);
    if (file != NULL) atomic_fetch_add_explicit(&set->closed, 1, memory_order_relaxed);
    lock(set);
    return file != NULL;
}

/* A place for one more; above the bound if no other can be had. */
static void take_place(struct weir_file_set *set)
{
    lock(set);
    while (set->count >= set->count_max && close_one(set)) {
    }
    set->count++;
    unlock(set);
}

static void give_place_back(struct weir_file_set *set)
{
    lock(set);
    weir_assert(set->count > 0);
    set->count--;
    unlock(set);
}

/* The system has none left, whoever has them: ours may be worth more to the caller than to the ring. */
static bool yield_some(struct weir_file_set *set)
{
    int count = 0;
    lock(set);
    while (count < YIELDED_MAX && close_one(set))
        count++;
    unlock(set);
    return count > 0;
}

/* ---- one file -------------------------------------------------------------------------------- */

struct weir_kept_file *weir_kept_file_new(struct weir_budget *budget, struct weir_file_set *set)
{
    struct weir_kept_file *kept = weir_alloc_zero(budget, sizeof *kept);
    if (kept == NULL) return NULL;
    kept->set = set;
    atomic_init(&kept->references, 1);
    atomic_init(&kept->holds, CLOSED);
    return kept;
}

void weir_kept_file_unref(struct weir_kept_file *kept)
{
    if (kept == NULL) return;
    int before = atomic_fetch_sub(&kept->references, 1);
    weir_assert(before > 0);
    if (before > 1) return;
    if (kept->set != NULL) {
        /* The ring holds no reference, and may show it to a hand until it is out. */
        lock(kept->set);
        if (kept->next != NULL) take_out(kept->set, kept);
        unlock(kept->set);
    }
    weir_file_close(kept->file);
    weir_free(kept);
}

bool weir_kept_file_try_hold(struct weir_kept_file *kept)
{
    int holds = atomic_load_explicit(&kept->holds, memory_order_relaxed);
    while (holds >= 0) {
        if (!atomic_compare_exchange_weak_explicit(&kept->holds, &holds, holds + 1,
                                                   memory_order_acquire, memory_order_relaxed)) {
            continue;
        }
        atomic_store_explicit(&kept->was_used, true, memory_order_relaxed);
        return true;
    }
    return false;
}

int weir_kept_file_hold(struct weir_kept_file *kept, struct weir_env *env, const char *path,
                        unsigned flags, struct weir_error *error)
{
    struct weir_file_set *set = kept->set;
    struct weir_file *file = NULL;
    if (weir_kept_file_try_hold(kept)) return 0;
    if (set != NULL) take_place(set);
    int rc = weir_file_open(env, path, flags, &file, error);
    if (rc == WEIR_LIMIT && set != NULL && yield_some(set)) {
        rc = weir_file_open(env, path, flags, &file, error);
    }
    if (rc < 0) {
        if (set != NULL) give_place_back(set);
        return rc;
    }
    if (set != NULL) lock(set);
    /* What looked closed may have been a hand that thought better of it (try_close). */
    bool is_open = kept->file != NULL;
    if (is_open) {
        weir_assert(set != NULL && set->count > 0);
        set->count--;
        bool is_held = weir_kept_file_try_hold(kept); /* under the lock nobody closes it */
        weir_assert(is_held);
    } else {
        kept->file = file;
        kept->is_fresh = true;
        if (set != NULL) put_in(set, kept);
        atomic_store(&kept->holds, 1);
    }
    if (set != NULL) unlock(set);
    if (is_open) weir_file_close(file);
    return 0;
}

void weir_kept_file_hold_again(struct weir_kept_file *kept)
{
    int before = atomic_fetch_add(&kept->holds, 1);
    weir_assert(before > 0);
}

/* A place in the set for one more file that is lent. */
static bool begin_loan(struct weir_file_set *set)
{
    size_t lent = atomic_fetch_add_explicit(&set->lent, 1, memory_order_relaxed);
    if (lent < (set->count_max + 1) / 2) return true;
    atomic_fetch_sub_explicit(&set->lent, 1, memory_order_relaxed);
    return false;
}

static void end_loan(struct weir_file_set *set)
{
    size_t lent = atomic_fetch_sub_explicit(&set->lent, 1, memory_order_relaxed);
    weir_assert(lent > 0);
}

/* The first loan of a file takes a place, and only who has that makes `loans` more than 0. */
bool weir_kept_file_lend(struct weir_kept_file *kept)
{
    size_t loans = atomic_load_explicit(&kept->loans, memory_order_relaxed);
    bool is_first = false;
    while (kept->set != NULL) {
        if (loans == 0 && !is_first) {
            if (!begin_loan(kept->set)) return false;
            is_first = true;
        }
        if (atomic_compare_exchange_weak(&kept->loans, &loans, loans + 1)) break;
    }
    if (is_first && loans > 0) end_loan(kept->set); /* somebody else was first */
    weir_kept_file_hold_again(kept);
    return true;
}

void weir_kept_file_take_back(struct weir_kept_file *kept)
{
    if (kept->set != NULL) {
        size_t loans = atomic_fetch_sub(&kept->loans, 1);
        weir_assert(loans > 0);
        if (loans == 1) end_loan(kept->set);
    }
    weir_kept_file_release(kept);
}

void weir_kept_file_release(struct weir_kept_file *kept)
{
    int before = atomic_fetch_sub_explicit(&kept->holds, 1, memory_order_release);
    weir_assert(before > 0);
}
