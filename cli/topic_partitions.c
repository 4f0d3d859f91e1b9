#include "cli/topic_partitions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"

static int refuse(const char *text, const char *why, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "'%.100s': %s; it takes the form TOPIC, or TOPIC:0,1,5", text, why);
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == ',';
    }
    return count;
}

static int parse_numbers(const char *whole, const char *text, struct topic_partitions *to,
                         struct weir_error *error)
{
    for (const char *at = text;;) {
        char *end;
        errno = 0;
        long partition = strtol(at, &end, 10);
        if (end == at || (*end != ',' && *end != '\0')) {
            return refuse(whole, "partitions are numbers with commas between", error);
        }
        if (errno != 0 || partition < 0 || partition > INT32_MAX) {
            return refuse(whole, "a partition is a number from 0 on", error);
        }
        if (topic_partitions_have(to, to->topic, (int32_t)partition)) {
            return refuse(whole, "a partition is named twice", error);
        }
        to->partitions[to->partition_count++] = (int32_t)partition;
        if (*end == '\0') return 0;
        at = end + 1;
    }
}

int topic_partitions_parse(const char *text, struct weir_arena *arena,
                           struct topic_partitions *partitions_out, struct weir_error *error)
{
    size_t size = strcspn(text, ":");
    struct topic_partitions parsed = {
        .topic = weir_arena_printf(arena, "%.*s", (int)size, text),
        .is_all = text[size] == '\0',
        .partitions = weir_arena_array(arena, count_commas(text) + 1, sizeof(int32_t)),
    };
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    if (size == 0) return refuse(text, "the topic's name is missing", error);
    int rc = parsed.is_all ? 0 : parse_numbers(text, text + size + 1, &parsed, error);
    if (rc == 0) *partitions_out = parsed;
    return rc;
}

bool topic_partitions_have(const struct topic_partitions *partitions, const char *topic,
                           int32_t partition)
{
    if (strcmp(partitions->topic, topic) != 0) return false;
    for (size_t i = 0; i < partitions->partition_count; i++) {
        if (partitions->partitions[i] == partition) return true;
    }
    return partitions->is_all;
}
