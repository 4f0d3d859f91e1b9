/**
 * The other half of the shim: after the kill, what no sync had made durable is taken back, newest
 * first; first the bytes (files are found by inode, whatever they are called), then the entries.
 */
#include "tests/crash/power_loss.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_SIZE = 4096, OPEN_FOLDERS = 16 };

/* What befalls the unsynced bytes of one file. */
enum fate { FATE_LOST, FATE_KEPT, FATE_CUT, FATE_SECTORS, FATE_COUNT };

struct change {
    struct power_loss_record record;
    const uint8_t *payload;
    bool is_pending;
};

/* One inode of the journal: how far it is durable, where it is now, what befalls it. */
struct object {
    uint64_t inode;
    int64_t durable; /* changes before this one are */
    char *path;
    enum fate fate;
    int64_t pending;  /* changes that are not durable */
    int64_t survives; /* FATE_CUT: so many of them do, and a part of the next one */
    int64_t seen;     /* while going back */
};

struct plug {
    uint64_t seed;
    uint8_t *journal;
    struct change *changes;
    size_t change_count;
    struct object *objects;
    size_t object_count;
    int64_t durable; /* by syncs of everything */
    const char *store;
    struct power_loss_report report;
};

static uint64_t mix(uint64_t word)
{
    word += 0x9e3779b97f4a7c15u;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

/* The same for the same seed, object, change and question. */
static uint64_t draw(const struct plug *plug, uint64_t object, uint64_t change, uint64_t question)
{
    return mix(mix(mix(mix(plug->seed) ^ object) ^ change) ^ question);
}

static void *need(void *memory)
{
    if (memory == NULL) abort(); /* a test without memory has nothing to say */
    return memory;
}

static int failed(const char *what)
{
    (void)fprintf(stderr, "power loss: %s: %s\n", what, strerror(errno));
    return -1;
}

/* ---- the journal ----------------------------------------------------------------------------- */

/* None: the kill came before the program's first step. */
static int read_journal(struct plug *plug, size_t *size_out)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/" POWER_LOSS_JOURNAL, plug->store);
    FILE *file = fopen(path, "rbe");
    if (file == NULL && errno == ENOENT) return 0;
    struct stat found;
    if (file == NULL || fstat(fileno(file), &found) != 0) {
        if (file != NULL) (void)fclose(file);
        return failed(path);
    }
    size_t size = (size_t)found.st_size;
    plug->journal = need(malloc(size + 1));
    bool is_read = fread(plug->journal, 1, size, file) == size;
    (void)fclose(file);
    *size_out = size;
    return is_read ? 0 : failed(path);
}

/* The kill may have cut the last record: its change is one that nothing undoes. */
static void split_journal(struct plug *plug, size_t size)
{
    size_t at = 0;
    size_t capacity = 0;
    while (size - at >= sizeof(struct power_loss_record)) {
        struct change change = {.payload = plug->journal + at + sizeof change.record};
        memcpy(&change.record, plug->journal + at, sizeof change.record);
        if (size - at - sizeof change.record < change.record.payload_size) return;
        at += sizeof change.record + change.record.payload_size;
        if (plug->change_count == capacity) {
            capacity = capacity == 0 ? 1024 : 2 * capacity;
            plug->changes = need(realloc(plug->changes, capacity * sizeof plug->changes[0]));
        }
        plug->changes[plug->change_count++] = change;
    }
}

static struct object *object_of(struct plug *plug, uint64_t inode)
{
    for (size_t i = 0; i < plug->object_count; i++) {
        if (plug->objects[i].inode == inode) return &plug->objects[i];
    }
    plug->objects =
        need(realloc(plug->objects, (plug->object_count + 1) * sizeof plug->objects[0]));
    struct object *object = &plug->objects[plug->object_count++];
    *object = (struct object){.inode = inode};
    return object;
}

static bool is_of_bytes(const struct change *change)
{
    return change->record.kind == POWER_LOSS_WRITE || change->record.kind == POWER_LOSS_TRUNCATE;
}

static void find_durable(struct plug *plug)
{
    for (size_t i = 0; i < plug->change_count; i++) {
        const struct power_loss_record *record = &plug->changes[i].record;
        if (record->kind != POWER_LOSS_SYNC) continue;
        int64_t *durable =
            record->inode == 0 ? &plug->durable : &object_of(plug, record->inode)->durable;
        if (record->offset > *durable) *durable = record->offset;
    }
}

static bool is_durable(struct plug *plug, size_t index, uint64_t inode)
{
    return (int64_t)index < plug->durable || (int64_t)index < object_of(plug, inode)->durable;
}

static void find_pending(struct plug *plug)
{
    for (size_t i = 0; i < plug->change_count; i++) {
        struct change *change = &plug->changes[i];
        const struct power_loss_record *record = &change->record;
        if (record->kind == POWER_LOSS_SYNC || is_durable(plug, i, record->inode)) continue;
        if (record->kind == POWER_LOSS_RENAME && is_durable(plug, i, record->target)) continue;
        change->is_pending = true;
        object_of(plug, record->inode)->pending++;
        *(is_of_bytes(change) ? &plug->report.writes : &plug->report.entries) += 1;
    }
    for (size_t i = 0; i < plug->object_count; i++) {
        struct object *object = &plug->objects[i];
        object->fate = plug->seed == 0 ? FATE_LOST : (enum fate)(draw(plug, i, 0, 1) % FATE_COUNT);
        object->survives = (int64_t)(draw(plug, i, 0, 2) % (uint64_t)(object->pending + 1));
        if (object->fate == FATE_LOST) object->survives = 0;
        if (object->fate == FATE_KEPT) object->survives = object->pending;
        object->seen = object->pending;
    }
}

/* ---- where files are now --------------------------------------------------------------------- */

/* nftw takes no context. */
static struct plug *walking;

static int note_path(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)walk;
    if (kind != FTW_F) return 0;
    for (size_t i = 0; i < walking->object_count; i++) {
        struct object *object = &walking->objects[i];
        if (object->inode == found->st_ino && object->path == NULL) {
            object->path = need(strdup(path));
        }
    }
    return 0;
}

static int find_files(struct plug *plug, const char *root)
{
    walking = plug;
    if (nftw(root, note_path, OPEN_FOLDERS, FTW_PHYS) != 0) return failed(root);
    if (nftw(plug->store, note_path, OPEN_FOLDERS, FTW_PHYS) != 0) return failed(plug->store);
    return 0;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* The bytes [from, to) as they were before the change; zeros beyond the old end. */
static int put_back(int fd, const struct change *change, int64_t from, int64_t to)
{
    static const uint8_t zeros[SECTOR];
    while (from < to) {
        int64_t skip = from - change->record.offset;
        int64_t left = (int64_t)change->record.payload_size - skip;
        int64_t size = to - from;
        if (left > 0 && size > left) size = left;
        if (left <= 0 && size > SECTOR) size = SECTOR;
        const uint8_t *bytes = left > 0 ? change->payload + skip : zeros;
        if (pwrite(fd, bytes, (size_t)size, from) != (ssize_t)size) return failed("putting back");
        from += size;
    }
    return 0;
}

static int undo_all(int fd, const struct change *change)
{
    const struct power_loss_record *record = &change->record;
    int64_t saved_end = record->offset + (int64_t)change->record.payload_size;
    if (put_back(fd, change, record->offset, saved_end) != 0) return -1;
    struct stat found;
    if (fstat(fd, &found) != 0) return failed("fstat");
    if (found.st_size <= record->old_size && record->kind == POWER_LOSS_WRITE) return 0;
    return ftruncate(fd, record->old_size) == 0 ? 0 : failed("ftruncate");
}

/* Only the first bytes of it had reached the disk. */
static int undo_rest(int fd, const struct change *change, uint64_t random)
{
    const struct power_loss_record *record = &change->record;
    if (record->kind != POWER_LOSS_WRITE) return undo_all(fd, change);
    int64_t kept = record->offset + (int64_t)(random % (uint64_t)record->length);
    int64_t saved_end = record->offset + (int64_t)record->payload_size;
    if (kept < saved_end && put_back(fd, change, kept, saved_end) != 0) return -1;
    int64_t size = kept > record->old_size ? kept : record->old_size;
    struct stat found;
    if (fstat(fd, &found) != 0) return failed("fstat");
    if (found.st_size <= size) return 0;
    return ftruncate(fd, size) == 0 ? 0 : failed("ftruncate");
}

/* The size had reached the disk; each sector on its own is kept (half of them), lost or torn. */
static int undo_sectors(const struct plug *plug, int fd, const struct change *change,
                        uint64_t object, bool *is_undone)
{
    const struct power_loss_record *record = &change->record;
    uint64_t index = (uint64_t)(change - plug->changes);
    int64_t end = record->offset + record->length;
    if (record->kind != POWER_LOSS_WRITE) return 0;
    for (int64_t at = record->offset; at < end; at = at - at % SECTOR + SECTOR) {
        int64_t next = at - at % SECTOR + SECTOR;
        if (next > end) next = end;
        uint64_t random = draw(plug, object, index, (uint64_t)at);
        if (random % 8 < 4) continue;
        int64_t from = random % 8 < 7 ? at : at + (int64_t)((random >> 8) % (uint64_t)(next - at));
        *is_undone = true;
        if (put_back(fd, change, from, next) != 0) return -1;
    }
    return 0;
}

static int undo_bytes(struct plug *plug, const struct change *change)
{
    struct object *object = object_of(plug, change->record.inode);
    uint64_t number = (uint64_t)(object - plug->objects);
    int64_t place = --object->seen;
    bool is_undone = place >= object->survives;
    if (object->path == NULL) return 0; /* made and removed again */
    if (object->fate != FATE_SECTORS && !is_undone) return 0;
    int fd = open(object->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return failed(object->path);
    int rc;
    if (object->fate == FATE_SECTORS) {
        is_undone = false;
        rc = undo_sectors(plug, fd, change, number, &is_undone);
    } else if (object->fate == FATE_CUT && place == object->survives) {
        rc = undo_rest(fd, change, draw(plug, number, 0, 3));
    } else {
        rc = undo_all(fd, change);
    }
    (void)close(fd);
    plug->report.writes_undone += is_undone;
    return rc;
}

/* ---- entries --------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_tree(const char *path)
{
    if (access(path, F_OK) != 0) return 0;
    return nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : failed(path);
}

/* It is there already, or its folder is gone for good, and all in it. */
static bool is_settled(int reason)
{
    return reason == EEXIST || reason == ENOENT;
}

static int bring_back(const struct plug *plug, uint64_t kept, const char *path)
{
    char link_path[PATH_SIZE];
    (void)snprintf(link_path, sizeof link_path, "%s/%" PRIu64, plug->store, kept);
    return link(link_path, path) == 0 || is_settled(errno) ? 0 : failed(path);
}

static int undo_rename(const struct plug *plug, const struct change *change)
{
    const char *from = (const char *)change->payload;
    const char *to = from + strlen(from) + 1;
    if (rename(to, from) != 0 && !is_settled(errno)) return failed(to);
    return change->record.kept != 0 ? bring_back(plug, change->record.kept, to) : 0;
}

static int undo_entry(struct plug *plug, const struct change *change)
{
    struct object *folder = object_of(plug, change->record.inode);
    if (--folder->seen < folder->survives) return 0;
    plug->report.entries_undone++;
    const char *path = (const char *)change->payload;
    if (change->record.kind == POWER_LOSS_CREATE) return remove_tree(path);
    if (change->record.kind == POWER_LOSS_RENAME) return undo_rename(plug, change);
    if (change->record.kept != 0) return bring_back(plug, change->record.kept, path);
    return mkdir(path, 0755) == 0 || is_settled(errno) ? 0 : failed(path);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int undo(struct plug *plug)
{
    int rc = 0;
    for (size_t i = plug->change_count; i-- > 0 && rc == 0;) {
        const struct change *change = &plug->changes[i];
        if (change->is_pending && is_of_bytes(change)) rc = undo_bytes(plug, change);
    }
    for (size_t i = plug->change_count; i-- > 0 && rc == 0;) {
        const struct change *change = &plug->changes[i];
        if (change->is_pending && !is_of_bytes(change)) rc = undo_entry(plug, change);
    }
    return rc;
}

static int empty_store(const char *store)
{
    if (remove_tree(store) != 0) return -1;
    return mkdir(store, 0755) == 0 ? 0 : failed(store);
}

/* The machine has started anew: what the program noted of the boot it ran in is not the running one's
 * any more, though here it is. */
static int outdate(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    if (kind != FTW_F || strcmp(path + at->base, "boot-id") != 0) return 0;
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs("another boot\n", file) < 0) return failed(path);
    return fclose(file) == 0 ? 0 : failed(path);
}

int power_loss_apply(const char *root, const char *store, uint64_t seed,
                     struct power_loss_report *report_out)
{
    struct plug plug = {.seed = seed, .store = store};
    size_t size = 0;
    int rc = read_journal(&plug, &size);
    if (rc != 0) goto out;
    split_journal(&plug, size);
    find_durable(&plug);
    find_pending(&plug);
    rc = find_files(&plug, root);
    if (rc != 0) goto out;
    rc = undo(&plug);
    if (rc != 0) goto out;
    rc = nftw(root, outdate, 16, FTW_PHYS) == 0 ? 0 : failed(root);
    if (rc != 0) goto out;
    rc = empty_store(store);
    *report_out = plug.report;
out:
    for (size_t i = 0; i < plug.object_count; i++)
        free(plug.objects[i].path);
    free(plug.objects);
    free(plug.changes);
    free(plug.journal);
    return rc;
}
