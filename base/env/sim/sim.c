/**
 * The simulated world: nodes, their clocks, their crashes, and the loop over events.
 */
#include "base/env/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

#define TURN_NS_DEFAULT ((int64_t)20 * 1000)
#define WORK_NS_DEFAULT ((int64_t)2 * 1000 * 1000)
#define TIME_LIMIT_DEFAULT ((int64_t)3600 * 1000 * 1000 * 1000)
#define WALL_AT_START_MS ((int64_t)1735689600000) /* 2025-01-01 */

/* ---- what an environment answers ------------------------------------------------------------- */

static struct weir_mono mono_now(struct weir_env *env)
{
    const struct weir_sim_life *life = (const struct weir_sim_life *)env;
    return life->is_dead ? life->died_mono : (struct weir_mono){life->sim->now_ns};
}

static struct weir_wall wall_now(struct weir_env *env)
{
    const struct weir_sim_life *life = (const struct weir_sim_life *)env;
    if (life->is_dead) return life->died_wall;
    return (struct weir_wall){WALL_AT_START_MS + life->sim->now_ns / 1000000 +
                              life->node->wall_offset_ms};
}

static void fill_random(struct weir_env *env, void *bytes, size_t size)
{
    struct weir_sim_life *life = (struct weir_sim_life *)env;
    memset(bytes, 0, size);
    for (size_t at = 0; at < size && !life->is_dead; at += sizeof(uint64_t)) {
        uint64_t word = weir_sim_random_next(&life->random);
        size_t left = size - at;
        memcpy((uint8_t *)bytes + at, &word, left < sizeof word ? left : sizeof word);
    }
}

/* A loss of power starts the machine anew; a kill does not. */
static struct weir_boot_id boot_id(struct weir_env *env)
{
    const struct weir_sim_life *life = (const struct weir_sim_life *)env;
    struct weir_boot_id id = {{0}};
    (void)snprintf(id.text, sizeof id.text, "%016llx-%d-%llu",
                   (unsigned long long)life->sim->options.seed, life->node->number,
                   (unsigned long long)life->node->boot_count);
    return id;
}

/* Whoever waits runs the events itself and looks after each. */
static void signal_waiters(struct weir_env *env)
{
    (void)env;
}

static bool may_block(struct weir_env *env)
{
    return ((const struct weir_sim_life *)env)->sim->depth == 0;
}

/* What the process is told when it asks; weir_sim_descriptor_limit is what others leave of it. */
static int64_t descriptor_limit(struct weir_env *env)
{
    enum { TABLE_SIZE = 1 << 20 };
    (void)env;
    return TABLE_SIZE;
}

static int32_t core_count(struct weir_env *env)
{
    (void)env;
    return 1;
}

static int check_room(struct weir_env *env, size_t bytes, struct weir_error *error)
{
    (void)env, (void)bytes, (void)error;
    return WEIR_OK;
}

static int room_enter(struct weir_env *env, size_t threads, size_t bytes, struct weir_error *error)
{
    (void)threads;
    return check_room(env, bytes, error);
}

static void room_leave(struct weir_env *env)
{
    (void)env;
}

static const struct weir_env_ops ops = {
    .name = "sim",
    .network = &weir_sim_network_ops,
    .mono_now = mono_now,
    .wall_now = wall_now,
    .random = fill_random,
    .boot_id = boot_id,
    .file_open = weir_sim_file_open,
    .file_close = weir_sim_file_close,
    .file_read = weir_sim_file_read,
    .file_write = weir_sim_file_write,
    .file_sync = weir_sim_file_sync,
    .file_truncate = weir_sim_file_truncate,
    .file_stat = weir_sim_file_stat,
    .file_lock = weir_sim_file_lock,
    .sync_file_system = weir_sim_sync_file_system,
    .drop_cache = weir_sim_drop_cache,
    .file_read_cached = weir_sim_file_read_cached,
    .file_is_cached = weir_sim_file_is_cached,
    .stat = weir_sim_stat,
    .make_directory = weir_sim_make_directory,
    .directory_open = weir_sim_directory_open,
    .directory_sync = weir_sim_directory_sync,
    .descriptor_limit = descriptor_limit,
    .core_count = core_count,
    .check_room = check_room,
    .room_enter = room_enter,
    .room_leave = room_leave,
    .rename = weir_sim_rename,
    .remove = weir_sim_remove,
    .remove_directory = weir_sim_remove_directory,
    .list = weir_sim_list,
    .actor_start = weir_sim_actor_start,
    .actor_stop = weir_sim_actor_stop,
    .actor_wake = weir_sim_actor_wake,
    .actor_wake_at = weir_sim_actor_wake_at,
    .work_submit = weir_sim_work_submit,
    .each = weir_sim_each,
    .wait = weir_sim_wait,
    .signal = signal_waiters,
    .may_block = may_block,
};

struct weir_sim *weir_sim_of(struct weir_env *env)
{
    return env->ops == &ops ? ((struct weir_sim_life *)env)->sim : NULL;
}

/* ---- lives ----------------------------------------------------------------------------------- */

static struct weir_sim_life *new_life(struct weir_sim_node *node)
{
    struct weir_sim *sim = node->sim;
    struct weir_sim_life *life = weir_sim_calloc(1, sizeof *life);
    weir_heap_init(&life->heap, true);
    weir_budget_init(&life->budget, "node", &life->heap, NULL, 0);
    life->base = (struct weir_env){
        .ops = &ops,
        .heap = &life->heap,
        .budget = &life->budget,
        .logger = sim->options.logger,
    };
    life->sim = sim;
    life->node = node;
    node->life_count++;
    struct weir_sim_random seed = {sim->options.seed ^ ((uint64_t)node->number << 32) ^
                                   node->life_count};
    life->random.state = weir_sim_random_next(&seed);
    life->heap.hash_seed = weir_sim_random_next(&seed);
    return life;
}

void weir_sim_die(struct weir_sim_life *life, enum weir_sim_crash_kind kind)
{
    struct weir_sim_node *node = life->node;
    weir_assert(!life->is_dead);
    life->died_mono = mono_now(&life->base);
    life->died_wall = wall_now(&life->base);
    life->is_dead = true;
    node->has_crashed = true;
    weir_sim_trace(life->sim, 0xdead0000u + (uint64_t)node->number * 2 + (uint64_t)kind);
    weir_sim_say(life->sim, node->number, "%s", kind == WEIR_SIM_KILL ? "killed" : "power lost");

    weir_sim_actors_end(life);
    weir_sim_files_end(life);
    weir_sim_sockets_end(life, kind == WEIR_SIM_POWER);
    if (kind == WEIR_SIM_POWER) node->boot_count++;
    if (kind == WEIR_SIM_POWER) weir_disk_lose_power(node->disk);
    for (struct weir_sim_attachment *at = node->attachments; at != NULL; at = at->next) {
        if (at->crash != NULL) at->crash(at->object, kind, life->sim);
    }
}

static void bury(struct weir_sim_node *node)
{
    struct weir_sim_life *life = node->life;
    weir_assert(node->sim->depth == 0);
    weir_assert(life->is_dead);
    weir_sim_works_free(life);
    weir_heap_drop(&life->heap);
    free(life);
    node->life = NULL;
}

/* True if there was anybody to bury: a run ends then. */
static bool bury_the_dead(struct weir_sim *sim)
{
    bool found = false;
    for (int i = 0; i < sim->node_count; i++) {
        struct weir_sim_node *node = sim->nodes[i];
        if (node == NULL || node->life == NULL || !node->life->is_dead) continue;
        bury(node);
        found = true;
    }
    return found;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint64_t disk_seed(const struct weir_sim *sim, int number)
{
    struct weir_sim_random seed = {sim->options.seed + 0xd15c0000u + (uint64_t)number};
    return weir_sim_random_next(&seed);
}

static struct weir_sim_node *node_of(struct weir_sim *sim, int number)
{
    weir_assert(number >= 0);
    if (number >= sim->node_count) {
        size_t count = (size_t)number + 1;
        sim->nodes = weir_sim_realloc(sim->nodes, count * sizeof *sim->nodes);
        for (size_t i = (size_t)sim->node_count; i < count; i++) {
            sim->nodes[i] = NULL;
        }
        sim->node_count = (int)count;
    }
    if (sim->nodes[number] == NULL) {
        struct weir_sim_node *node = weir_sim_calloc(1, sizeof *node);
        node->sim = sim;
        node->number = number;
        node->disk = weir_disk_new(disk_seed(sim, number));
        sim->nodes[number] = node;
    }
    return sim->nodes[number];
}

struct weir_env *weir_sim_node(struct weir_sim *sim, int number)
{
    struct weir_sim_node *node = node_of(sim, number);
    if (node->life != NULL && node->life->is_dead) bury(node);
    if (node->life == NULL) {
        node->life = new_life(node);
        node->has_crashed = false;
    }
    return &node->life->base;
}

static void free_attachments(struct weir_sim_node *node)
{
    while (node->attachments != NULL) {
        struct weir_sim_attachment *at = node->attachments;
        node->attachments = at->next;
        if (at->free_object != NULL) at->free_object(at->object);
        free(at->object);
        free(at->name);
        free(at);
    }
}

static void free_node(struct weir_sim_node *node)
{
    if (node == NULL) return;
    if (node->life != NULL) {
        if (!node->life->is_dead) {
            node->life->is_dead = true;
            weir_sim_actors_end(node->life);
            weir_sim_files_end(node->life);
            weir_sim_sockets_end(node->life, true);
        }
        bury(node);
    }
    free_attachments(node);
    weir_disk_free(node->disk);
    free(node);
}

/* ---- the run --------------------------------------------------------------------------------- */

static int64_t or_default(int64_t value, int64_t fallback)
{
    weir_assert(value >= 0);
    return value != 0 ? value : fallback;
}

struct weir_sim *weir_sim_new(const struct weir_sim_options *options)
{
    struct weir_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) return NULL;
    sim->options = *options;
    sim->options.turn_ns_max = or_default(options->turn_ns_max, TURN_NS_DEFAULT);
    sim->options.work_ns_max = or_default(options->work_ns_max, WORK_NS_DEFAULT);
    sim->options.time_limit_ns = or_default(options->time_limit_ns, TIME_LIMIT_DEFAULT);
    struct weir_sim_random seed = {options->seed};
    sim->schedule.state = weir_sim_random_next(&seed);
    sim->choices.state = weir_sim_random_next(&seed);
    return sim;
}

void weir_sim_free(struct weir_sim *sim)
{
    if (sim == NULL) return;
    for (int i = 0; i < sim->node_count; i++) {
        free_node(sim->nodes[i]);
    }
    weir_assert(sim->queue_count == 0);
    free(sim->routes);
    free(sim->nodes);
    free(sim->queue);
    free(sim);
}

bool weir_sim_step(struct weir_sim *sim)
{
    weir_assert(sim->depth == 0);
    struct weir_sim_event *event = weir_sim_event_first(sim);
    if (event == NULL || event->at_ns > sim->options.time_limit_ns) return false;
    weir_sim_run_event(sim, event);
    return true;
}

/* True if the run went on to its end, false if a node has crashed or `is_done` holds. */
static bool run_until(struct weir_sim *sim, int64_t end_ns, bool (*is_done)(void *context),
                      void *context)
{
    for (;;) {
        if (bury_the_dead(sim)) return false;
        if (is_done != NULL && is_done(context)) return false;
        const struct weir_sim_event *event = weir_sim_event_first(sim);
        if (event == NULL || event->at_ns > end_ns) return true;
        if (!weir_sim_step(sim)) return true;
    }
}

static int64_t add_bounded(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

uint64_t weir_sim_run(struct weir_sim *sim, bool (*is_done)(void *context), void *context,
                      int64_t limit_ns)
{
    weir_assert(sim->depth == 0);
    uint64_t before = sim->event_count;
    int64_t end_ns = limit_ns > 0 ? add_bounded(sim->now_ns, limit_ns) : INT64_MAX;
    if (end_ns > sim->options.time_limit_ns) end_ns = sim->options.time_limit_ns;
    bool has_ended = run_until(sim, end_ns, is_done, context);
    if (has_ended && sim->queue_count > 0 && end_ns > sim->now_ns) sim->now_ns = end_ns;
    return sim->event_count - before;
}

void weir_sim_advance_ms(struct weir_sim *sim, int64_t ms)
{
    weir_assert(sim->depth == 0);
    weir_assert(ms >= 0);
    int64_t end_ns = weir_mono_after_ms((struct weir_mono){sim->now_ns}, ms).ns;
    if (run_until(sim, end_ns, NULL, NULL) && end_ns > sim->now_ns) sim->now_ns = end_ns;
}

void weir_sim_jump_wall(struct weir_sim *sim, int node, int64_t ms)
{
    node_of(sim, node)->wall_offset_ms += ms;
}

int64_t weir_sim_now_ns(const struct weir_sim *sim)
{
    return sim->now_ns;
}

uint64_t weir_sim_random(struct weir_sim *sim)
{
    return weir_sim_random_next(&sim->choices);
}

uint64_t weir_sim_trace_hash(const struct weir_sim *sim)
{
    return sim->trace_hash;
}

/* ---- crashes and faults ---------------------------------------------------------------------- */

void weir_sim_crash(struct weir_sim *sim, int number, enum weir_sim_crash_kind kind)
{
    struct weir_sim_node *node = node_of(sim, number);
    weir_assert(sim->depth == 0);
    if (node->life == NULL)
        (void)weir_sim_node(sim, number); /* a disk without a life crashes too */
    if (!node->life->is_dead) weir_sim_die(node->life, kind);
    bury(node);
}

void weir_sim_disk_plan(struct weir_sim *sim, int node, struct weir_sim_fault_plan plan)
{
    node_of(sim, node)->plan = plan;
}

uint64_t weir_sim_disk_count(const struct weir_sim *sim, int node)
{
    bool is_known = node >= 0 && node < sim->node_count && sim->nodes[node] != NULL;
    return is_known ? sim->nodes[node]->change_count : 0;
}

void weir_sim_disk_count_reset(struct weir_sim *sim, int node)
{
    node_of(sim, node)->change_count = 0;
    node_of(sim, node)->read_count = 0;
    node_of(sim, node)->open_count = 0;
}

bool weir_sim_has_crashed(const struct weir_sim *sim, int node)
{
    bool is_known = node >= 0 && node < sim->node_count && sim->nodes[node] != NULL;
    return is_known && sim->nodes[node]->has_crashed;
}

void weir_sim_disk_limit(struct weir_sim *sim, int node, int64_t bytes)
{
    node_of(sim, node)->disk_limit = bytes;
}

void weir_sim_descriptor_limit(struct weir_sim *sim, int node, size_t count)
{
    node_of(sim, node)->descriptor_limit = count;
}

size_t weir_sim_descriptors(struct weir_sim *sim, int node)
{
    const struct weir_sim_life *life = node_of(sim, node)->life;
    return life != NULL ? life->file_count : 0;
}

uint64_t weir_sim_open_count(const struct weir_sim *sim, int node)
{
    bool is_known = node >= 0 && node < sim->node_count && sim->nodes[node] != NULL;
    return is_known ? sim->nodes[node]->open_count : 0;
}

/* ---- the disk, seen from a test -------------------------------------------------------------- */

int weir_sim_disk_flip(struct weir_sim *sim, int node, const char *path, int64_t position, int bit)
{
    weir_assert(bit >= 0 && bit < 8);
    struct weir_inode *inode = weir_disk_find(node_of(sim, node)->disk, path);
    if (inode == NULL) return WEIR_NOT_FOUND;
    if (position < 0 || position >= inode->size) return WEIR_INVALID_ARGUMENT;
    weir_inode_flip(inode, position, bit);
    return WEIR_OK;
}

int weir_sim_disk_put_other(struct weir_sim *sim, int node, const char *path)
{
    struct weir_disk *disk = node_of(sim, node)->disk;
    struct weir_inode *inode;
    int rc = weir_disk_create(disk, path, WEIR_FILE_OTHER, &inode);
    if (rc == WEIR_OK) weir_disk_sync_all(disk);
    return rc;
}

int weir_sim_disk_mount(struct weir_sim *sim, int node, const char *path)
{
    struct weir_disk *disk = node_of(sim, node)->disk;
    struct weir_inode *inode;
    int rc = weir_disk_create(disk, path, WEIR_FILE_DIRECTORY, &inode);
    if (rc < 0) return rc;
    weir_disk_sync_all(disk);
    weir_disk_mount(disk, inode);
    return WEIR_OK;
}

uint64_t weir_sim_disk_hash(struct weir_sim *sim, int node, const char *path)
{
    const struct weir_inode *inode = weir_disk_find(node_of(sim, node)->disk, path);
    return inode != NULL ? weir_disk_hash(inode) : 0;
}

void weir_sim_disk_copy(struct weir_sim *sim, int from_node, int to_node)
{
    struct weir_sim_node *from = node_of(sim, from_node);
    struct weir_sim_node *to = node_of(sim, to_node);
    weir_assert(from != to);
    weir_assert(to->life == NULL || to->life->files == NULL);
    weir_disk_free(to->disk);
    to->disk = weir_disk_copy(from->disk, disk_seed(sim, to_node));
}

/* ---- attachments ----------------------------------------------------------------------------- */

void *weir_sim_attachment(struct weir_env *env, const char *name, size_t size,
                          void (*crash)(void *object, enum weir_sim_crash_kind kind,
                                        struct weir_sim *sim),
                          void (*free_object)(void *object))
{
    weir_assert(weir_sim_of(env) != NULL);
    struct weir_sim_node *node = ((struct weir_sim_life *)env)->node;
    struct weir_sim_attachment **last = &node->attachments;
    for (; *last != NULL; last = &(*last)->next) {
        if (strcmp((*last)->name, name) == 0) return (*last)->object;
    }
    struct weir_sim_attachment *at = weir_sim_calloc(1, sizeof *at);
    at->name = weir_sim_text(name, strlen(name));
    at->object = weir_sim_calloc(1, size);
    at->crash = crash;
    at->free_object = free_object;
    *last = at;
    return at->object;
}
