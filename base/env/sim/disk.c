/**
 * The tree of the simulated disk: directories with two sets of entries, and between them the ordered
 * list of changes that no sync has made durable yet.
 */
#include "base/env/sim/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/grow.h"

/* One change of entries. A rename has both places, the others only the first. A change that takes a
 * name away has no inode. */
struct change {
    struct weir_inode *directory[2];
    char *name[2];
    struct weir_inode *inode;
    bool is_marked;     /* within one sync or loss */
    size_t next_marked; /* the one behind it then */
};

struct weir_disk {
    struct weir_sim_random random;
    struct weir_inode *root;
    struct weir_inode *first; /* all inodes in order of creation */
    struct weir_inode *last;
    size_t inode_count;
    uint64_t device_count;  /* the last that was given */
    struct change *changes; /* oldest first */
    size_t change_count;
    size_t change_capacity;
};

/* ---- inodes and entries ---------------------------------------------------------------------- */

static struct weir_inode *new_inode(struct weir_disk *disk, enum weir_file_kind kind)
{
    struct weir_inode *inode = weir_sim_calloc(1, sizeof *inode);
    inode->disk = disk;
    inode->kind = kind;
    inode->references = 1;
    inode->previous = disk->last;
    *(disk->last != NULL ? &disk->last->next : &disk->first) = inode;
    disk->last = inode;
    disk->inode_count++;
    return inode;
}

struct weir_inode *weir_inode_ref(struct weir_inode *inode)
{
    inode->references++;
    return inode;
}

static void clear_entries(struct weir_disk_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->all[i].name);
        weir_inode_unref(entries->all[i].inode);
    }
    free(entries->all);
    *entries = (struct weir_disk_entries){0};
}

void weir_inode_unref(struct weir_inode *inode)
{
    if (inode == NULL || --inode->references > 0) return;
    struct weir_disk *disk = inode->disk;
    clear_entries(&inode->current);
    clear_entries(&inode->settled);
    weir_inode_close_bytes(inode);
    *(inode->previous != NULL ? &inode->previous->next : &disk->first) = inode->next;
    *(inode->next != NULL ? &inode->next->previous : &disk->last) = inode->previous;
    disk->inode_count--;
    free(inode);
}

/* Where `name` is, or would be. */
static size_t entry_place(const struct weir_disk_entries *entries, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = entries->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entries->all[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

static struct weir_inode *entry_get(const struct weir_disk_entries *entries, const char *name)
{
    bool found;
    size_t place = entry_place(entries, name, &found);
    return found ? entries->all[place].inode : NULL;
}

static void entry_remove(struct weir_disk_entries *entries, const char *name)
{
    bool found;
    size_t place = entry_place(entries, name, &found);
    if (!found) return;
    struct weir_disk_entry entry = entries->all[place];
    entries->count--;
    memmove(entries->all + place, entries->all + place + 1,
            (entries->count - place) * sizeof *entries->all);
    free(entry.name);
    weir_inode_unref(entry.inode);
}

static void entry_set(struct weir_disk_entries *entries, const char *name, struct weir_inode *inode)
{
    bool found;
    size_t place = entry_place(entries, name, &found);
    weir_inode_ref(inode);
    if (found) {
        weir_inode_unref(entries->all[place].inode);
        entries->all[place].inode = inode;
        return;
    }
    if (entries->count == entries->capacity) {
        entries->capacity = weir_grown(entries->capacity, 8);
        entries->all = weir_sim_realloc(entries->all, entries->capacity * sizeof *entries->all);
    }
    memmove(entries->all + place + 1, entries->all + place,
            (entries->count - place) * sizeof *entries->all);
    entries->all[place] = (struct weir_disk_entry){weir_sim_text(name, strlen(name)), inode};
    entries->count++;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The next name of a path into `name`; false at its end. `*path` moves on. */
static bool next_name(const char **path, char name[WEIR_DISK_NAME_MAX + 1])
{
    for (;;) {
        while (**path == '/') {
            (*path)++;
        }
        size_t size = strcspn(*path, "/");
        if (size == 0) return false;
        (void)snprintf(name, WEIR_DISK_NAME_MAX + 1, "%.*s", (int)size, *path);
        *path += size;
        if (strcmp(name, ".") != 0) return true;
    }
}

struct weir_inode *weir_disk_find(struct weir_disk *disk, const char *path)
{
    char name[WEIR_DISK_NAME_MAX + 1];
    struct weir_inode *inode = disk->root;
    while (inode != NULL && next_name(&path, name)) {
        inode = inode->kind == WEIR_FILE_DIRECTORY ? entry_get(&inode->current, name) : NULL;
    }
    return inode;
}

/* The directory that has or will have the path's last name. */
static int find_parent(struct weir_disk *disk, const char *path, struct weir_inode **directory_out,
                       char last[WEIR_DISK_NAME_MAX + 1])
{
    char name[WEIR_DISK_NAME_MAX + 1];
    struct weir_inode *directory = disk->root;
    if (!next_name(&path, last)) return WEIR_INVALID_ARGUMENT;
    while (next_name(&path, name)) {
        directory = entry_get(&directory->current, last);
        if (directory == NULL || directory->kind != WEIR_FILE_DIRECTORY) return WEIR_NOT_FOUND;
        memcpy(last, name, sizeof name);
    }
    if (strcmp(last, "..") == 0 || strlen(last) >= WEIR_DISK_NAME_MAX) {
        return WEIR_INVALID_ARGUMENT;
    }
    *directory_out = directory;
    return WEIR_OK;
}

/* ---- changes --------------------------------------------------------------------------------- */

static struct change *add_change(struct weir_disk *disk, struct weir_inode *directory,
                                 const char *name, struct weir_inode *inode)
{
    if (disk->change_count == disk->change_capacity) {
        disk->change_capacity = weir_grown(disk->change_capacity, 16);
        disk->changes =
            weir_sim_realloc(disk->changes, disk->change_capacity * sizeof *disk->changes);
    }
    struct change *change = &disk->changes[disk->change_count++];
    *change = (struct change){
        .directory = {weir_inode_ref(directory)},
        .name = {weir_sim_text(name, strlen(name))},
        .inode = inode != NULL ? weir_inode_ref(inode) : NULL,
    };
    return change;
}

static void change_close(struct change *change)
{
    for (int i = 0; i < 2; i++) {
        weir_inode_unref(change->directory[i]);
        free(change->name[i]);
    }
    weir_inode_unref(change->inode);
}

static void change_settle(const struct change *change)
{
    bool is_rename = change->directory[1] != NULL;
    if (is_rename || change->inode == NULL) {
        entry_remove(&change->directory[0]->settled, change->name[0]);
    }
    if (change->inode != NULL) {
        entry_set(&change->directory[is_rename]->settled, change->name[is_rename], change->inode);
    }
}

static bool changes_share_a_name(const struct change *a, const struct change *b)
{
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            if (a->directory[i] != NULL && a->directory[i] == b->directory[k] &&
                strcmp(a->name[i], b->name[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* A change is durable only with all earlier ones of its names: mark those too. Marked ones are a chain, for most changes
 * are not when one directory of many is synced. */
static void mark_what_marked_ones_need(struct weir_disk *disk)
{
    size_t first = disk->change_count;
    for (size_t i = disk->change_count; i-- > 0;) {
        struct change *change = &disk->changes[i];
        for (size_t k = first; k < disk->change_count && !change->is_marked;
             k = disk->changes[k].next_marked) {
            change->is_marked = changes_share_a_name(change, &disk->changes[k]);
        }
        if (!change->is_marked) continue;
        change->next_marked = first;
        first = i;
    }
}

/* The marked changes leave the list, into the durable image or into nothing. */
static void take_marked(struct weir_disk *disk, bool is_settling)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        struct change change = disk->changes[i];
        if (!change.is_marked) {
            disk->changes[kept++] = change;
            continue;
        }
        if (is_settling) change_settle(&change);
        change_close(&change);
    }
    disk->change_count = kept;
}

static void mark_directory(struct weir_disk *disk, const struct weir_inode *directory)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        struct change *change = &disk->changes[i];
        change->is_marked = change->directory[0] == directory || change->directory[1] == directory;
    }
    mark_what_marked_ones_need(disk);
}

static void mark_all(struct weir_disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        disk->changes[i].is_marked = true;
    }
}

static void mark_device(struct weir_disk *disk, uint64_t device)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        struct change *change = &disk->changes[i];
        change->is_marked = change->directory[0]->device == device;
    }
    mark_what_marked_ones_need(disk);
}

/* ---- the disk -------------------------------------------------------------------------------- */

struct weir_disk *weir_disk_new(uint64_t seed)
{
    struct weir_disk *disk = weir_sim_calloc(1, sizeof *disk);
    disk->random.state = seed;
    disk->root = new_inode(disk, WEIR_FILE_DIRECTORY);
    weir_disk_mount(disk, disk->root);
    return disk;
}

void weir_disk_free(struct weir_disk *disk)
{
    if (disk == NULL) return;
    mark_all(disk);
    take_marked(disk, false);
    weir_inode_unref(disk->root);
    weir_assert(disk->inode_count == 0);
    free(disk->changes);
    free(disk);
}

int64_t weir_disk_used(const struct weir_disk *disk)
{
    int64_t used = 0;
    for (const struct weir_inode *inode = disk->first; inode != NULL; inode = inode->next) {
        used += inode->size;
    }
    return used;
}

int weir_disk_create(struct weir_disk *disk, const char *path, enum weir_file_kind kind,
                     struct weir_inode **inode_out)
{
    char name[WEIR_DISK_NAME_MAX + 1];
    struct weir_inode *directory;
    int rc = find_parent(disk, path, &directory, name);
    if (rc < 0) return rc;
    if (entry_get(&directory->current, name) != NULL) return WEIR_EXISTS;
    struct weir_inode *inode = new_inode(disk, kind);
    inode->device = directory->device;
    entry_set(&directory->current, name, inode);
    add_change(disk, directory, name, inode);
    weir_inode_unref(inode); /* the entry holds it */
    *inode_out = inode;
    return WEIR_OK;
}

static int check_target(const struct weir_inode *source, const struct weir_inode *target)
{
    if (target == NULL) return WEIR_OK;
    if (source->kind != target->kind) return WEIR_EXISTS;
    return target->current.count > 0 ? WEIR_EXISTS : WEIR_OK;
}

int weir_disk_rename(struct weir_disk *disk, const char *from, const char *to)
{
    char names[2][WEIR_DISK_NAME_MAX + 1];
    struct weir_inode *directories[2];
    int rc = find_parent(disk, from, &directories[0], names[0]);
    if (rc < 0) return rc;
    rc = find_parent(disk, to, &directories[1], names[1]);
    if (rc < 0) return rc;
    struct weir_inode *inode = entry_get(&directories[0]->current, names[0]);
    struct weir_inode *target = entry_get(&directories[1]->current, names[1]);
    if (inode == NULL) return WEIR_NOT_FOUND;
    if (inode == target) return WEIR_OK;
    if (inode->device != directories[0]->device) return WEIR_LOCKED; /* a mount: EBUSY */
    rc = check_target(inode, target);
    if (rc < 0) return rc;

    struct change *change = add_change(disk, directories[0], names[0], inode);
    change->directory[1] = weir_inode_ref(directories[1]);
    change->name[1] = weir_sim_text(names[1], strlen(names[1]));
    if (target != NULL) target->is_removed = true;
    entry_remove(&directories[0]->current, names[0]);
    entry_set(&directories[1]->current, names[1], inode);
    return WEIR_OK;
}

int weir_disk_remove(struct weir_disk *disk, const char *path)
{
    char name[WEIR_DISK_NAME_MAX + 1];
    struct weir_inode *directory;
    int rc = find_parent(disk, path, &directory, name);
    if (rc < 0) return rc;
    struct weir_inode *inode = entry_get(&directory->current, name);
    if (inode == NULL) return WEIR_NOT_FOUND;
    if (inode->current.count > 0) return WEIR_EXISTS; /* what a real one says: ENOTEMPTY */
    if (inode->device != directory->device) return WEIR_LOCKED; /* a mount: EBUSY */
    add_change(disk, directory, name, NULL);
    inode->is_removed = true;
    entry_remove(&directory->current, name);
    return WEIR_OK;
}

void weir_disk_sync_directory(struct weir_disk *disk, struct weir_inode *directory)
{
    mark_directory(disk, directory);
    take_marked(disk, true);
}

void weir_disk_fail_sync_directory(struct weir_disk *disk, struct weir_inode *directory)
{
    mark_directory(disk, directory);
    take_marked(disk, false);
}

void weir_disk_sync_all(struct weir_disk *disk)
{
    mark_all(disk);
    take_marked(disk, true);
    for (struct weir_inode *inode = disk->first; inode != NULL; inode = inode->next) {
        weir_inode_sync(inode);
    }
}

void weir_disk_sync_device(struct weir_disk *disk, uint64_t device)
{
    mark_device(disk, device);
    take_marked(disk, true);
    for (struct weir_inode *inode = disk->first; inode != NULL; inode = inode->next) {
        if (inode->device == device) weir_inode_sync(inode);
    }
}

void weir_disk_fail_sync_device(struct weir_disk *disk, uint64_t device)
{
    mark_device(disk, device);
    take_marked(disk, false);
    for (struct weir_inode *inode = disk->first; inode != NULL; inode = inode->next) {
        if (inode->device == device) weir_inode_fail_sync(inode);
    }
}

void weir_disk_mount(struct weir_disk *disk, struct weir_inode *directory)
{
    weir_assert(directory->kind == WEIR_FILE_DIRECTORY && directory->current.count == 0);
    directory->device = ++disk->device_count;
}

/* ---- power loss ------------------------------------------------------------------------------ */

static enum weir_disk_mood draw_mood(struct weir_disk *disk)
{
    static const enum weir_disk_mood moods[] = {
        WEIR_DISK_LOSE_ALL,
        WEIR_DISK_KEEP_ALL,
        WEIR_DISK_MIXED,
        WEIR_DISK_MIXED,
    };
    return moods[weir_sim_random_below(&disk->random, 4)];
}

static void settle_some_changes(struct weir_disk *disk, enum weir_disk_mood mood)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct change *change = &disk->changes[i];
        bool is_kept = mood == WEIR_DISK_KEEP_ALL ||
                       (mood == WEIR_DISK_MIXED && weir_sim_random_below(&disk->random, 2) == 0);
        if (is_kept) change_settle(change);
    }
    mark_all(disk);
    take_marked(disk, false);
}

static void show_settled(struct weir_inode *directory)
{
    clear_entries(&directory->current);
    for (size_t i = 0; i < directory->settled.count; i++) {
        const struct weir_disk_entry *entry = &directory->settled.all[i];
        entry_set(&directory->current, entry->name, entry->inode);
    }
}

/* Inodes go while entries change: hold all until every directory is done. */
void weir_disk_lose_power(struct weir_disk *disk)
{
    enum weir_disk_mood mood = draw_mood(disk);
    settle_some_changes(disk, draw_mood(disk));
    size_t count = disk->inode_count;
    struct weir_inode **all = weir_sim_calloc(count, sizeof *all);
    size_t filled = 0;
    for (struct weir_inode *inode = disk->first; inode != NULL; inode = inode->next) {
        all[filled++] = weir_inode_ref(inode);
    }
    weir_assert(filled == count);
    for (size_t i = 0; i < count; i++) {
        weir_inode_lose_power(all[i], mood, &disk->random);
        if (all[i]->kind == WEIR_FILE_DIRECTORY) show_settled(all[i]);
    }
    for (size_t i = 0; i < count; i++) {
        weir_inode_unref(all[i]);
    }
    free(all);
}

/* ---- whole trees ----------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x9fb21c651e98df25u;
        hash ^= hash >> 32;
    }
    for (; size > 0; at++, size--) {
        hash = (hash ^ *at) * 0x100000001b3u;
    }
    return hash;
}

uint64_t weir_disk_hash(const struct weir_inode *inode)
{
    uint64_t facts[2] = {(uint64_t)inode->kind, (uint64_t)inode->size};
    uint64_t hash = mix(0xcbf29ce484222325u, facts, sizeof facts);
    hash = mix(hash, inode->data, (size_t)inode->size);
    for (size_t i = 0; i < inode->current.count; i++) {
        const struct weir_disk_entry *entry = &inode->current.all[i];
        uint64_t below = weir_disk_hash(entry->inode);
        hash = mix(hash, entry->name, strlen(entry->name) + 1);
        hash = mix(hash, &below, sizeof below);
    }
    return hash;
}

static void copy_tree(struct weir_disk *disk, struct weir_inode *to, const struct weir_inode *from)
{
    to->modified_ms = from->modified_ms;
    to->device = from->device;
    if (from->size > 0) weir_inode_write(to, from->data, (size_t)from->size, 0);
    for (size_t i = 0; i < from->current.count; i++) {
        const struct weir_disk_entry *entry = &from->current.all[i];
        struct weir_inode *copy = new_inode(disk, entry->inode->kind);
        entry_set(&to->current, entry->name, copy);
        entry_set(&to->settled, entry->name, copy);
        weir_inode_unref(copy);
        copy_tree(disk, copy, entry->inode);
    }
}

struct weir_disk *weir_disk_copy(const struct weir_disk *disk, uint64_t seed)
{
    struct weir_disk *copy = weir_disk_new(seed);
    copy->device_count = disk->device_count;
    copy_tree(copy, copy->root, disk->root);
    weir_disk_sync_all(copy);
    return copy;
}
