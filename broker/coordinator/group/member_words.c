#include "broker/coordinator/group/member_words.h"

#include <stdlib.h>

#include "base/bytes.h"

static size_t names_size(const struct weir_slice *names, size_t count)
{
    size_t size = count * sizeof *names;
    for (size_t i = 0; i < count; i++) {
        size += names[i].size;
    }
    return size;
}

size_t weir_member_words_size(const struct weir_member_words *words)
{
    size_t size = sizeof *words + names_size(words->topic_names, words->topic_name_count);
    for (size_t i = 0; i < words->protocol_count; i++) {
        size += sizeof *words->protocols + words->protocols[i].name.size +
                words->protocols[i].metadata.size;
    }
    return size + words->instance_id.size + words->rack_id.size + words->client_id.size +
           words->client_host.size + words->topic_regex.size + words->assignor.size;
}

/* The text moves to `*at`, which goes on behind it. */
static struct weir_slice put(uint8_t **at, struct weir_slice text)
{
    if (weir_slice_is_null(text)) return text;
    struct weir_slice copy = weir_slice(*at, text.size);
    weir_copy(*at, text.data, text.size);
    *at += text.size;
    return copy;
}

/* The block: the struct, the arrays, the texts. */
struct weir_member_words *weir_member_words_copy(const struct weir_member_words *words,
                                                 struct weir_budget *budget)
{
    struct weir_member_words *copy = weir_alloc(budget, weir_member_words_size(words) + 1);
    if (copy == NULL) return NULL;
    struct weir_slice *names = (struct weir_slice *)(copy + 1);
    struct weir_group_protocol *protocols =
        (struct weir_group_protocol *)(names + words->topic_name_count);
    uint8_t *at = (uint8_t *)(protocols + words->protocol_count);
    *copy = *words;
    for (size_t i = 0; i < words->topic_name_count; i++) {
        names[i] = put(&at, words->topic_names[i]);
    }
    for (size_t i = 0; i < words->protocol_count; i++) {
        protocols[i].name = put(&at, words->protocols[i].name);
        protocols[i].metadata = put(&at, words->protocols[i].metadata);
    }
    copy->topic_names = names;
    copy->protocols = protocols;
    copy->instance_id = put(&at, words->instance_id);
    copy->rack_id = put(&at, words->rack_id);
    copy->client_id = put(&at, words->client_id);
    copy->client_host = put(&at, words->client_host);
    copy->topic_regex = put(&at, words->topic_regex);
    copy->assignor = put(&at, words->assignor);
    return copy;
}

static bool same_names(const struct weir_slice *a, size_t a_count, const struct weir_slice *b,
                       size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (!weir_slice_equal(a[i], b[i])) return false;
    }
    return true;
}

bool weir_member_words_same_topics(const struct weir_member_words *a,
                                   const struct weir_member_words *b)
{
    return same_names(a->topic_names, a->topic_name_count, b->topic_names, b->topic_name_count) &&
           weir_slice_equal(a->topic_regex, b->topic_regex);
}

static bool same_protocols(const struct weir_member_words *a, const struct weir_member_words *b)
{
    if (a->is_classic != b->is_classic || a->session_timeout_ms != b->session_timeout_ms ||
        a->protocol_count != b->protocol_count) {
        return false;
    }
    for (size_t i = 0; i < a->protocol_count; i++) {
        if (!weir_slice_equal(a->protocols[i].name, b->protocols[i].name) ||
            !weir_slice_equal(a->protocols[i].metadata, b->protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

bool weir_member_words_equal(const struct weir_member_words *a, const struct weir_member_words *b)
{
    return weir_slice_equal(a->instance_id, b->instance_id) &&
           weir_slice_equal(a->rack_id, b->rack_id) &&
           weir_slice_equal(a->client_id, b->client_id) &&
           weir_slice_equal(a->client_host, b->client_host) &&
           weir_slice_equal(a->assignor, b->assignor) &&
           a->rebalance_timeout_ms == b->rebalance_timeout_ms && same_protocols(a, b) &&
           weir_member_words_same_topics(a, b);
}

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

const struct weir_slice *weir_sorted_names(const struct weir_slice *names, size_t count,
                                           struct weir_arena *arena, size_t *count_out)
{
    struct weir_slice *sorted = weir_arena_array(arena, count, sizeof *sorted);
    *count_out = 0;
    if (sorted == NULL) return NULL;
    weir_copy(sorted, names, count * sizeof *sorted);
    if (count > 1) qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 0; i < count; i++) {
        bool is_again = *count_out > 0 && compare_names(&sorted[*count_out - 1], &sorted[i]) == 0;
        if (!is_again) sorted[(*count_out)++] = sorted[i];
    }
    return sorted;
}

bool weir_sorted_names_have(const struct weir_slice *names, size_t count, struct weir_slice name)
{
    return count > 0 && bsearch(&name, names, count, sizeof *names, compare_names) != NULL;
}
