#include "broker/log/damage_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/log/small_file.h"

enum { VERSION = 1, TEXT_SIZE_MAX = 1024 };

/* No log gets there: a billion records a second for a hundred and forty years. What a repair puts in the
 * place of a range goes up to its end, and offsets have to be left behind that. */
static const int64_t offset_max = INT64_MAX / 2;

/* `<key>=<number>\n` at `*at`, which moves behind it. */
static bool take_number(const char **at, const char *key, int64_t *number_out)
{
    size_t size = strlen(key);
    if (strncmp(*at, key, size) != 0 || (*at)[size] != '=') return false;
    const char *digits = *at + size + 1;
    char *end;
    if (*digits == ' ' || *digits == '+') return false;
    errno = 0;
    long long number = strtoll(digits, &end, 10);
    if (errno != 0 || end == digits || *end != '\n') return false;
    *number_out = number;
    *at = end + 1;
    return true;
}

static bool take_reason(const char *at, char *reason_out)
{
    static const char key[] = "reason=";
    if (strncmp(at, key, sizeof key - 1) != 0) return false;
    at += sizeof key - 1;
    size_t size = strcspn(at, "\n");
    if (at[size] != '\n' || size >= WEIR_DAMAGE_REASON_SIZE) return false;
    memcpy(reason_out, at, size);
    reason_out[size] = '\0';
    return true;
}

static int check_range(const struct weir_damage *damage, struct weir_error *error)
{
    bool has_end = damage->end != -1;
    bool fits = damage->from >= 0 && damage->from <= offset_max &&
                (!has_end || (damage->end >= damage->from && damage->end <= offset_max));
    if (fits) return 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "from %" PRId64 " to %" PRId64
                          " is no range of offsets; 0 <= from <= end "
                          "is wanted, or an end of -1, and no log ends above %" PRId64,
                          damage->from, damage->end, offset_max);
}

static int decode(const char *text, struct weir_damage *damage_out, struct weir_error *error)
{
    struct weir_damage damage;
    int64_t version;
    if (!take_number(&text, "version", &version) || version < 1) {
        return weir_error_set(error, WEIR_CORRUPT, "it has no version");
    }
    if (version > VERSION) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "it has version %" PRId64 ", this program reads up to %d", version,
                              VERSION);
    }
    bool is_whole = take_number(&text, "from", &damage.from) &&
                    take_number(&text, "end", &damage.end) &&
                    take_number(&text, "time", &damage.time.ms) && take_reason(text, damage.reason);
    if (!is_whole) {
        return weir_error_set(error, WEIR_CORRUPT, "from, end, time and reason are wanted");
    }
    int rc = check_range(&damage, error);
    if (rc < 0) return rc;
    *damage_out = damage;
    return 0;
}

int weir_damage_file_read(struct weir_env *env, struct weir_budget *budget, const char *directory,
                          struct weir_damage *damage_out, struct weir_error *error)
{
    struct weir_log_path path = weir_log_path(directory, WEIR_DAMAGE_FILE_NAME);
    struct weir_buffer bytes;
    char text[TEXT_SIZE_MAX + 1] = {0};
    weir_buffer_init(&bytes, budget, 0);
    int rc = weir_small_file_read(env, path.text, TEXT_SIZE_MAX, &bytes, error);
    if (rc == 0) {
        memcpy(text, bytes.data, bytes.size);
        rc = decode(text, damage_out, error);
        (void)weir_error_wrap(error, rc, "'%s'", path.text);
    } else if (rc == WEIR_TOO_LARGE) {
        rc = weir_error_set(error, WEIR_CORRUPT, "'%s' is far too large", path.text);
    }
    weir_buffer_close(&bytes);
    return rc;
}

int weir_damage_file_write(struct weir_env *env, const char *directory,
                           const struct weir_damage *damage, struct weir_error *error)
{
    char reason[WEIR_DAMAGE_REASON_SIZE];
    char text[TEXT_SIZE_MAX];
    (void)snprintf(reason, sizeof reason, "%s", damage->reason);
    for (char *at = reason; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ') *at = ' ';
    }
    int size =
        snprintf(text, sizeof text,
                 "version=%d\nfrom=%" PRId64 "\nend=%" PRId64 "\ntime=%" PRId64 "\nreason=%s\n",
                 VERSION, damage->from, damage->end, damage->time.ms, reason);
    return weir_small_file_replace(
        &(struct weir_small_file_replace){.env = env,
                                          .directory = directory,
                                          .name = WEIR_DAMAGE_FILE_NAME,
                                          .bytes = weir_slice(text, (size_t)size),
                                          .is_durable = true},
        error);
}

int weir_damage_file_remove(struct weir_env *env, const char *directory, struct weir_error *error)
{
    struct weir_log_path path = weir_log_path(directory, WEIR_DAMAGE_FILE_NAME);
    struct weir_error local = {0};
    int rc = weir_remove(env, path.text, &local);
    if (rc == WEIR_NOT_FOUND) return 0;
    if (rc < 0) {
        if (error != NULL) *error = local;
        return rc;
    }
    return weir_sync_directory(env, directory, error);
}
