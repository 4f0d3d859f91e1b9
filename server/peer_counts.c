#include "server/peer_counts.h"

#include <string.h>

#include "base/assert.h"

struct host {
    int32_t connections;
    size_t name_size;
    char name[];
};

void weir_peer_counts_init(struct weir_peer_counts *counts, struct weir_budget *budget)
{
    atomic_flag_clear(&counts->lock);
    counts->budget = budget;
    weir_map_init(&counts->hosts, budget);
}

void weir_peer_counts_close(struct weir_peer_counts *counts)
{
    size_t at = 0;
    struct host *host;
    while ((host = weir_map_next(&counts->hosts, &at)) != NULL) {
        (void)weir_map_remove(&counts->hosts, weir_slice(host->name, host->name_size));
        weir_free(host);
    }
    weir_map_close(&counts->hosts);
}

/* Held for a look into a map, on a path that comes once per connection. */
static void lock(struct weir_peer_counts *counts)
{
    while (atomic_flag_test_and_set_explicit(&counts->lock, memory_order_acquire)) {
    }
}

static void unlock(struct weir_peer_counts *counts)
{
    atomic_flag_clear_explicit(&counts->lock, memory_order_release);
}

static struct weir_slice host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return weir_slice(peer, colon != NULL ? (size_t)(colon - peer) : strlen(peer));
}

static struct host *find_or_add(struct weir_peer_counts *counts, struct weir_slice name)
{
    struct host *host = weir_map_get(&counts->hosts, name);
    if (host != NULL) return host;
    host = weir_alloc_zero(counts->budget, sizeof *host + name.size);
    if (host == NULL) return NULL;
    host->name_size = name.size;
    memcpy(host->name, name.data, name.size);
    if (weir_map_add(&counts->hosts, weir_slice(host->name, name.size), host) < 0) {
        weir_free(host);
        return NULL;
    }
    return host;
}

bool weir_peer_counts_enter(struct weir_peer_counts *counts, const char *peer, int32_t limit)
{
    lock(counts);
    struct host *host = find_or_add(counts, host_of(peer));
    bool is_in = host != NULL && host->connections < limit;
    if (is_in) host->connections++;
    unlock(counts);
    return is_in;
}

void weir_peer_counts_leave(struct weir_peer_counts *counts, const char *peer)
{
    lock(counts);
    struct host *host = weir_map_get(&counts->hosts, host_of(peer));
    weir_assert(host != NULL && host->connections > 0);
    if (--host->connections == 0) {
        (void)weir_map_remove(&counts->hosts, weir_slice(host->name, host->name_size));
        weir_free(host);
    }
    unlock(counts);
}
