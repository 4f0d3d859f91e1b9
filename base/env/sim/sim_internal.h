#ifndef WEIR_BASE_ENV_SIM_SIM_INTERNAL_H
#define WEIR_BASE_ENV_SIM_SIM_INTERNAL_H

#include "base/env/sim/disk.h"
#include "base/env/socket.h"

/**
 * What the parts of the simulator share.
 *
 *   sim.c             the run: nodes, clocks, crashes, the loop
 *   events.c          the event heap, the trace, the simulator's memory and random numbers
 *   actors.c          actors, deadlines, work, waiting
 *   files.c           a node's files over its disk
 *   changes.c         operations that change the disk, and the faults planned by their number
 *   disk.c, inode.c   the disk
 *   socket.c          sockets: the ends
 *   network.c         links and what travels on them
 *
 * A *node* is a place: its disk, its wall clock, its attachments. A *life* is what runs there between
 * two crashes: an environment with its heap, actors, open files. A life that a planned crash has
 * ended is a *corpse* for as long as its code is still on the stack: every call answers
 * WEIR_CRASHED or does nothing, and the disk was settled already. When control is back with the
 * simulator's caller the corpse is buried: its heap is dropped.
 */

enum weir_sim_event_kind {
    WEIR_SIM_EVENT_TURN,
    WEIR_SIM_EVENT_DEADLINE,
    WEIR_SIM_EVENT_WORK_RUN,
    WEIR_SIM_EVENT_WORK_DONE,
    WEIR_SIM_EVENT_PACKET,
    WEIR_SIM_EVENT_RESULT,
};

/* Part of the object it is about. `place` is its index in the heap plus one; 0: not queued. */
struct weir_sim_event {
    enum weir_sim_event_kind kind;
    size_t place;
    int64_t at_ns;
    uint64_t sequence;
    void *object; /* weir_sim_actor, weir_sim_work, weir_sim_packet or weir_sim_socket */
};

struct weir_sim_queued {
    int64_t at_ns;
    uint64_t tie;
    struct weir_sim_event *event;
};

struct weir_sim_actor {
    struct weir_actor base;
    struct weir_actor_options options;
    struct weir_sim_life *life;
    struct weir_sim_actor *next; /* of the life, newest first */
    struct weir_sim_actor *previous;
    struct weir_sim_event turn;
    struct weir_sim_event deadline;
    uint64_t name_hash;
    bool is_in_turn;
};

struct weir_sim_work {
    struct weir_work *work;
    struct weir_sim_actor *actor;
    struct weir_sim_work *next; /* of the life, oldest first */
    struct weir_sim_work *previous;
    struct weir_sim_event event;
};

struct weir_sim_file {
    struct weir_file base;
    struct weir_sim_life *life;
    struct weir_inode *inode;
    unsigned flags;
    struct weir_sim_file *next; /* of the life, newest first */
    struct weir_sim_file *previous;
};

/* The environment of one life. */
struct weir_sim_life {
    struct weir_env base;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_sim *sim;
    struct weir_sim_node *node;
    struct weir_sim_random random;
    bool is_dead;
    struct weir_mono died_mono; /* a corpse's clocks stand still */
    struct weir_wall died_wall;
    struct weir_sim_actor *actors;
    struct weir_sim_file *files;
    size_t file_count; /* open now, directories included */
    struct weir_sim_work *work_first;
    struct weir_sim_work *work_last;
    struct weir_sim_socket *sockets; /* open ones, newest first */
    struct weir_sim_listener *listeners;
    uint64_t connections_dealt;
};

struct weir_sim_attachment {
    struct weir_sim_attachment *next;
    char *name;
    void *object;
    void (*crash)(void *object, enum weir_sim_crash_kind kind, struct weir_sim *sim);
    void (*free_object)(void *object);
};

struct weir_sim_node {
    struct weir_sim *sim;
    int number;
    struct weir_disk *disk;
    struct weir_sim_life *life; /* NULL: down */
    uint64_t life_count;
    uint64_t boot_count; /* how often it has lost power */
    int64_t wall_offset_ms;
    struct weir_sim_fault_plan plan;
    uint64_t change_count; /* operations that change the disk, since the last reset */
    uint64_t read_count;
    uint64_t open_count; /* tries to get a descriptor */
    int64_t disk_limit;
    size_t descriptor_limit;
    struct weir_sim_attachment *attachments;
    bool has_crashed; /* until it is revived */
};

struct weir_sim {
    struct weir_sim_options options;
    struct weir_sim_random schedule; /* of events; the test's choices don't disturb it */
    struct weir_sim_random choices;
    int64_t now_ns;
    struct weir_sim_queued *queue;
    size_t queue_count;
    size_t queue_capacity;
    uint64_t sequence;
    uint64_t event_count;
    uint64_t trace_hash;
    struct weir_sim_node **nodes;
    int node_count;
    int depth; /* events on the stack */
    struct weir_sim_route *routes;
    size_t route_count;
    uint16_t next_port;
};

/* ---- events.c -------------------------------------------------------------------------------- */

/** Queue `event` for `at_ns` (now, if that has passed). It must not be queued. */
void weir_sim_event_add(struct weir_sim *sim, struct weir_sim_event *event, int64_t at_ns);
/** Also if it is not queued. */
void weir_sim_event_remove(struct weir_sim *sim, struct weir_sim_event *event);
/** The next one; NULL if there is none. */
struct weir_sim_event *weir_sim_event_first(struct weir_sim *sim);
/** Even over [1, max]. */
int64_t weir_sim_duration(struct weir_sim *sim, int64_t max_ns);
void weir_sim_trace(struct weir_sim *sim, uint64_t word);
uint64_t weir_sim_hash_text(const char *text);

/* ---- sim.c ----------------------------------------------------------------------------------- */

/** End a life that is on the stack: it becomes a corpse. */
void weir_sim_die(struct weir_sim_life *life, enum weir_sim_crash_kind kind);

/* ---- actors.c -------------------------------------------------------------------------------- */

void weir_sim_run_event(struct weir_sim *sim, struct weir_sim_event *event);
/** No actor gets a turn any more, no work is run. */
void weir_sim_actors_end(struct weir_sim_life *life);
void weir_sim_works_free(struct weir_sim_life *life);

int weir_sim_actor_start(struct weir_env *env, const struct weir_actor_options *options,
                         struct weir_actor **actor_out, struct weir_error *error);
void weir_sim_actor_stop(struct weir_actor *actor);
void weir_sim_actor_wake(struct weir_actor *actor);
void weir_sim_actor_wake_at(struct weir_actor *actor, struct weir_mono deadline);
void weir_sim_work_submit(struct weir_env *env, struct weir_work *work);
void weir_sim_each(struct weir_env *env, size_t count, void (*run)(void *context, size_t index),
                   void *context);
int weir_sim_wait(struct weir_env *env, bool (*is_done)(void *context), void *context,
                  struct weir_mono deadline);

/* ---- changes.c ------------------------------------------------------------------------------- */

enum weir_sim_change_kind {
    WEIR_SIM_CHANGE_WRITE,
    WEIR_SIM_CHANGE_TRUNCATE,
    WEIR_SIM_CHANGE_SYNC,
    WEIR_SIM_CHANGE_SYNC_FILE_SYSTEM,
    WEIR_SIM_CHANGE_SYNC_DIRECTORY,
    WEIR_SIM_CHANGE_CREATE,
    WEIR_SIM_CHANGE_MAKE_DIRECTORY,
    WEIR_SIM_CHANGE_RENAME,
    WEIR_SIM_CHANGE_REMOVE,
    WEIR_SIM_CHANGE_OTHER,
};

/* One operation. */
struct weir_sim_change {
    struct weir_sim_life *life;
    enum weir_sim_change_kind kind;
    const char *path;
    enum weir_sim_fault fault; /* the planned one, if this is its turn */
};

/** Count it. Negative: it is not to be done. Otherwise `change->fault` may ask for a part of it only, or
 * for an end of the life after it. */
int weir_sim_change_begin(struct weir_sim_change *change, struct weir_error *error);
/** `code` is what the operation came to; the result is what its caller is told. */
int weir_sim_change_end(struct weir_sim_change *change, int code, struct weir_error *error);
/** `code`, with verb, path and text in `error`. */
int weir_sim_change_failed(enum weir_sim_change_kind kind, const char *path, int code,
                           struct weir_error *error);
bool weir_sim_fault_is_due(const struct weir_sim_fault_plan *plan, uint64_t number);

/** Queue a turn, unless one is queued. */
void weir_sim_actor_queue_turn(struct weir_sim_actor *actor);

/* ---- socket.c, network.c --------------------------------------------------------------------- */

/* A link with its ends; made when first used or set. */
struct weir_sim_route {
    int from;
    int to;
    struct weir_sim_link link;
};

enum weir_sim_packet_kind {
    WEIR_SIM_PACKET_CONNECT, /* owned by the socket that connects */
    WEIR_SIM_PACKET_CONNECTED,
    WEIR_SIM_PACKET_DATA,
    WEIR_SIM_PACKET_END,
    WEIR_SIM_PACKET_RESET,
};

/* On its way to `to`, which owns it; or waiting for a cut link to heal (not queued). */
struct weir_sim_packet {
    struct weir_sim_packet *next; /* of the socket, oldest first */
    struct weir_sim_socket *to;
    struct weir_sim_event event;
    enum weir_sim_packet_kind kind;
    int from_node;
    int to_node;
    size_t size;
    uint8_t bytes[];
};

struct weir_sim_attempt {
    bool is_under_way;
    bool is_done;
    int64_t result;
    struct weir_socket_done done;
};

struct weir_sim_socket {
    struct weir_socket base;
    struct weir_sim_life *life;
    struct weir_sim_socket *next; /* of the life, newest first */
    struct weir_sim_socket *previous;
    struct weir_sim_socket *peer; /* NULL: not connected, or the other end is closed */
    int peer_node;
    uint16_t port; /* that it connects to */
    bool is_connected;
    bool has_ended; /* the peer has closed its end and all it sent has arrived */
    bool is_reset;
    bool is_abandoned; /* the peer's node lost power: nobody says so until somebody writes */
    struct weir_sim_event result; /* reports the attempts that are done */
    struct weir_sim_attempt connect;
    struct weir_sim_attempt read;
    struct weir_sim_attempt write;
    void *read_to; /* NULL: the read under way only waits */
    size_t read_size;
    uint8_t *to_send; /* a copy of what is being written */
    size_t to_send_size;
    size_t sent;
    int64_t write_failure; /* of a file: told when the bytes before it are sent */
    uint8_t *inbox;        /* arrived and not read */
    size_t inbox_size;
    size_t inbox_capacity;
    size_t in_flight; /* bytes under way to here */
    struct weir_sim_packet *first;
    struct weir_sim_packet *last;
    int64_t last_arrival_ns;
};

struct weir_sim_listener {
    struct weir_listener base;
    struct weir_sim_life *life;
    struct weir_sim_listener *next; /* of the life, newest first */
    struct weir_sim_listener *previous;
    uint16_t port;
    bool is_loopback;
    bool is_shared;
    uint64_t turn; /* among those that share the port: the lowest has the next connection */
    weir_accept_fn accepted;
    void *context;
};

extern const struct weir_network_ops weir_sim_network_ops;

struct weir_sim_link *weir_sim_link_between(struct weir_sim *sim, int from, int to);
/** `size` bytes for `kind` DATA, else none. */
void weir_sim_packet_send(struct weir_sim *sim, struct weir_sim_socket *to,
                          enum weir_sim_packet_kind kind, int from_node, int to_node,
                          const uint8_t *bytes, size_t size);
void weir_sim_packets_drop(struct weir_sim_socket *to);
/** Take it off its socket; the caller frees it. */
void weir_sim_packet_take(struct weir_sim_packet *packet);
void weir_sim_packet_arrive(struct weir_sim *sim, struct weir_sim_packet *packet);
/** Send what the peer has room for. */
void weir_sim_socket_pump(struct weir_sim_socket *socket);
void weir_sim_socket_break(struct weir_sim_socket *socket);
void weir_sim_socket_report(struct weir_sim_socket *socket);
struct weir_sim_socket *weir_sim_socket_new(struct weir_sim_life *life, struct weir_actor *actor);
void weir_sim_socket_finish(struct weir_sim_socket *socket, struct weir_sim_attempt *attempt,
                            int64_t result);
void weir_sim_socket_deliver(struct weir_sim_socket *socket);
void weir_sim_sockets_of_actor_close(struct weir_sim_actor *actor);
/** The node's connections are reset, or fall silent. */
void weir_sim_sockets_end(struct weir_sim_life *life, bool is_silent);

/* ---- files.c --------------------------------------------------------------------------------- */

/** Close what is open, without a word to the disk. */
void weir_sim_files_end(struct weir_sim_life *life);

int weir_sim_file_open(struct weir_env *env, const char *path, unsigned flags,
                       struct weir_file **file_out, struct weir_error *error);
void weir_sim_file_close(struct weir_file *file);
int64_t weir_sim_file_read(struct weir_file *file, void *to, size_t size, int64_t position,
                           struct weir_error *error);
int weir_sim_file_write(struct weir_file *file, const struct weir_iovec *parts, size_t count,
                        int64_t position, struct weir_error *error);
int weir_sim_file_sync(struct weir_file *file, struct weir_error *error);
int weir_sim_file_truncate(struct weir_file *file, int64_t size, struct weir_error *error);
int weir_sim_file_stat(struct weir_file *file, struct weir_file_stat *stat_out,
                       struct weir_error *error);
int weir_sim_file_lock(struct weir_file *file, struct weir_error *error);
int weir_sim_sync_file_system(struct weir_file *file, struct weir_error *error);
void weir_sim_drop_cache(struct weir_file *file, int64_t position, int64_t size);
int64_t weir_sim_file_read_cached(struct weir_file *file, void *to, size_t size, int64_t position);
bool weir_sim_file_is_cached(struct weir_file *file, int64_t position, int64_t size);
int weir_sim_stat(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                  struct weir_error *error);
int weir_sim_make_directory(struct weir_env *env, const char *path, struct weir_error *error);
int weir_sim_directory_open(struct weir_env *env, const char *path,
                            struct weir_file **directory_out, struct weir_error *error);
int weir_sim_directory_sync(struct weir_file *directory, struct weir_error *error);
int weir_sim_rename(struct weir_env *env, const char *from, const char *to,
                    struct weir_error *error);
int weir_sim_remove(struct weir_env *env, const char *path, struct weir_error *error);
int weir_sim_remove_directory(struct weir_env *env, const char *path, struct weir_error *error);
int weir_sim_list(struct weir_env *env, const char *path, weir_list_fn each, void *context,
                  struct weir_error *error);

#endif
