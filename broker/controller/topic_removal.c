#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/log/durable_mark.h"
#include "broker/log/partition_metadata.h"
#include "broker/log/small_file.h"

/*
 * A deleted topic's folders. First the records say that it is gone, durably; then its folders get a
 * name that no partition has, `<topic>-<n>.<id>-delete`, which frees the topic's name; then what is
 * in them is removed. After a crash the records since the last snapshot tell which renames are
 * missing, and the names which removals. Folders that nobody names are never touched.
 *
 * Ours are the files in a partition's folder, and the folder that the log has made. Where somebody has put
 * a link, the link goes, and what it leads to stays, empty; a mount stays where it is. So does a folder with
 * folders in it, which no log makes.
 */
static const char suffix[] = "-delete";

/* ---- folders --------------------------------------------------------------------------------- */

static struct weir_log_path folder_of(const struct weir_engine *engine, const char *topic,
                                      int32_t partition)
{
    return weir_log_partition_path(engine->directory.log_path.text, weir_text(topic), partition);
}

/* A name has at most 255 bytes: what is too long loses the end of its topic, never its id. */
static struct weir_log_path deleted_folder_of(const struct weir_engine *engine, const char *topic,
                                              struct weir_uuid id, int32_t partition)
{
    char name[256];
    char id_text[WEIR_UUID_TEXT_SIZE];
    (void)snprintf(name, sizeof name, "%.200s-%d.%s%s", topic, partition,
                   weir_uuid_print(id, id_text), suffix);
    return weir_log_path(engine->directory.log_path.text, name);
}

/* What of a folder: all but folders, or the folders that deleted_folder_of names. */
enum which { FILES, DELETED };

struct names {
    struct weir_buffer text; /* each with its NUL */
    enum which which;
};

/* A topic, its partition's number and its id. What an operator has set aside as `orders-0-delete` is
 * not ours. */
static bool is_deleted(const char *name)
{
    enum { SUFFIX_SIZE = sizeof suffix - 1, ID_SIZE = WEIR_UUID_TEXT_SIZE - 1 };
    struct weir_uuid id;
    size_t size = strlen(name);
    if (size <= SUFFIX_SIZE + ID_SIZE) return false;
    if (strcmp(name + size - SUFFIX_SIZE, suffix) != 0) return false;
    size_t at = size - SUFFIX_SIZE - ID_SIZE;
    if (!weir_uuid_parse(weir_slice(name + at, ID_SIZE), &id) || name[--at] != '.') return false;
    size_t end = at;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9')
        at--;
    return at < end && at > 1 && name[at - 1] == '-';
}

static int note_name(void *context, const char *name, enum weir_file_kind kind)
{
    struct names *names = context;
    bool is_folder = kind == WEIR_FILE_DIRECTORY;
    bool is_wanted = names->which == FILES ? !is_folder : is_folder && is_deleted(name);
    if (is_wanted) weir_buffer_append(&names->text, name, strlen(name) + 1);
    return names->text.failed ? WEIR_NO_MEMORY : 0;
}

/* Do `each` for the names in `folder`, which are all known before the first goes. */
static int for_names(struct weir_engine *engine, const char *folder, enum which which,
                     int (*each)(struct weir_engine *engine, const char *path,
                                 struct weir_error *error),
                     struct weir_error *error)
{
    struct names names = {.which = which};
    weir_buffer_init(&names.text, &engine->budget, 0);
    int rc = weir_list(engine->env, folder, note_name, &names, error);
    for (size_t at = 0; rc == 0 && at < names.text.size;) {
        const char *name = (const char *)names.text.data + at;
        struct weir_log_path path = weir_log_path(folder, name);
        rc = each(engine, path.text, error);
        at += strlen(name) + 1;
    }
    weir_buffer_close(&names.text);
    return rc;
}

static int remove_file(struct weir_engine *engine, const char *path, struct weir_error *error)
{
    int rc = weir_remove(engine->env, path, error);
    return rc == WEIR_NOT_FOUND ? 0 : rc;
}

static int empty_folder(struct weir_engine *engine, const char *path, struct weir_error *error)
{
    return for_names(engine, path, FILES, remove_file, error);
}

static void say_stays(struct weir_engine *engine, const char *path)
{
    char text[2 * WEIR_LOG_PATH_MAX];
    weir_log(&engine->env->logger, WEIR_LOG_WARN, "topic.folder_stays",
             "folder=%s reason=\"its files were removed; what else is in it is no log's\"",
             weir_log_quote(text, sizeof text, path));
}

static int remove_folder(struct weir_engine *engine, const char *path, struct weir_error *error)
{
    int rc = empty_folder(engine, path, error);
    if (rc == WEIR_NOT_FOUND) rc = 0; /* it is gone, or is a link to nowhere, which goes too */
    if (rc == 0) rc = remove_file(engine, path, error);
    if (rc == 0) weir_error_clear(error);
    if (rc != WEIR_EXISTS) return rc;
    weir_error_clear(error);
    say_stays(engine, path);
    return 0;
}

/* A mount cannot be renamed: it is emptied where it is, and its place is free as if the log had never
 * been there. Durably, before the deletion is forgotten: no sync of another file system covers it, and the next
 * topic of that name would find another one's files. */
static int empty_mount(struct weir_engine *engine, const char *path, struct weir_error *error)
{
    int rc = empty_folder(engine, path, error);
    return rc < 0 ? rc : weir_sync_directory(engine->env, path, error);
}

/* Out of the way of the topic's name. After a power loss the folder may be there under both names, for a
 * renaming is two changes to a disk: what has the new name is of the same topic, and goes first. */
static int take_away(struct weir_engine *engine, const char *from, const char *to,
                     struct weir_error *error)
{
    struct weir_error why = {0};
    int rc = weir_rename(engine->env, from, to, &why);
    if (rc == WEIR_EXISTS) {
        weir_error_clear(&why);
        rc = remove_folder(engine, to, &why);
        if (rc == 0) rc = weir_rename(engine->env, from, to, &why);
    }
    bool stays = rc == WEIR_LOCKED || rc == WEIR_EXISTS; /* a mount, or something is in the other */
    if (stays) return empty_mount(engine, from, error);
    if (rc < 0) weir_error_copy(error, &why);
    return rc;
}

/* ---- a removal ------------------------------------------------------------------------------- */

static int rename_folders(struct weir_topic_removal *removal)
{
    struct weir_engine *engine = removal->controller->engine;
    struct weir_error *error = &removal->error;
    for (int32_t i = 0; i < removal->partition_count; i++) {
        struct weir_log_path from = folder_of(engine, removal->name, i);
        struct weir_log_path to = deleted_folder_of(engine, removal->name, removal->id, i);
        struct weir_file_stat stat;
        bool is_other =
            weir_stat(engine->env, from.text, &stat, NULL) == 0 && stat.kind != WEIR_FILE_DIRECTORY;
        if (is_other) continue; /* not of our making: it stays */
        int rc = take_away(engine, from.text, to.text, error);
        if (rc < 0 && rc != WEIR_NOT_FOUND) return rc; /* never opened: no folder */
    }
    return weir_sync_directory(engine->env, engine->directory.log_path.text, error);
}

static void run(struct weir_work *work)
{
    struct weir_topic_removal *removal = (struct weir_topic_removal *)work;
    struct weir_engine *engine = removal->controller->engine;
    removal->rc = rename_folders(removal);
    for (int32_t i = 0; removal->rc == 0 && i < removal->partition_count; i++) {
        struct weir_log_path path = deleted_folder_of(engine, removal->name, removal->id, i);
        removal->rc = remove_folder(engine, path.text, &removal->error);
    }
}

static void unlink_removal(struct weir_topic_removal *removal)
{
    struct weir_topic_removal **link = &removal->controller->removals;
    while (*link != removal)
        link = &(*link)->next;
    *link = removal->next;
}

/* Those that want the topic's name go on: to have it, or to hear that it is not free yet. */
static void let_go(struct weir_topic_removal *removal)
{
    while (removal->waiting != NULL) {
        struct weir_metadata_change *change = removal->waiting;
        removal->waiting = change->next;
        weir_controller_submit(removal->controller, change);
    }
}

static void end_removal(struct weir_topic_removal *removal)
{
    struct weir_engine *engine = removal->controller->engine;
    if (removal->rc < 0) {
        char text[2 * WEIR_ERROR_TEXT_SIZE];
        weir_log(&engine->env->logger, WEIR_LOG_WARN, "topic.removal_failed", "topic=%s reason=%s",
                 removal->name, weir_log_quote(text, sizeof text, removal->error.text));
    }
    if (removal->rc == WEIR_IO) weir_serving_go_offline(&engine->serving, &removal->error);
    unlink_removal(removal);
}

static void say_waits(const struct weir_topic_removal *removal)
{
    char text[2 * WEIR_ERROR_TEXT_SIZE];
    weir_log(&removal->controller->engine->env->logger, WEIR_LOG_WARN, "topic.removal_waits",
             "topic=%s reason=%s", removal->name,
             weir_log_quote(text, sizeof text, removal->error.text));
}

static void worked(struct weir_message *message);

static void start_work(struct weir_topic_removal *removal)
{
    struct weir_engine *engine = removal->controller->engine;
    removal->work = (struct weir_work){
        .done.handle = worked, .run = run, .reply_to = engine->shards[0].actor, .is_long = true};
    weir_serving_hold(&engine->serving);
    weir_work_submit(engine->env, &removal->work);
}

static int tell_shards(struct weir_topic_removal *removal);

/* An event, and what comes of it (removal_step.h). The removal may be its owner's again, and gone, afterwards. */
static void step(struct weir_topic_removal *removal, enum weir_removal_event_type type, int rc)
{
    struct weir_engine *engine = removal->controller->engine;
    const struct weir_removal_event event = {
        .type = type,
        .now = weir_mono_now(engine->env),
        .is_closing = weir_serving_check(&engine->serving, NULL) < 0,
        .rc = rc,
    };
    struct weir_removal_update update;
    weir_removal_step(&removal->state, &event, &update);
    if (update.tells) step(removal, WEIR_REMOVAL_TOLD, tell_shards(removal));
    if (update.works) start_work(removal);
    if (update.says_waits) say_waits(removal);
    if (update.ends) end_removal(removal);
    if (update.lets_go) let_go(removal);
    if (update.answers && removal->waits != NULL) removal->waits(removal);
    if (update.ends) removal->then(removal);
}

static void worked(struct weir_message *message)
{
    struct weir_topic_removal *removal = (struct weir_topic_removal *)message;
    struct weir_engine *engine = removal->controller->engine;
    bool was_short = removal->state.retry_ms > 0;
    if (removal->rc < 0 || was_short) {
        weir_shortages_note(&engine->shortages, removal->rc, true, &removal->error);
    }
    step(removal, WEIR_REMOVAL_WORKED, removal->rc);
    weir_serving_release(&engine->serving);
}

static void partitions_closed(void *context)
{
    step(context, WEIR_REMOVAL_CLOSED, 0);
}

static int tell_shards(struct weir_topic_removal *removal)
{
    struct weir_topic_notice_order order = {
        .topic = weir_text(removal->name),
        .partition_count = removal->partition_count,
        .closes = true,
        .then = partitions_closed,
        .context = removal,
    };
    return weir_topic_notice_send(removal->controller, &order);
}

void weir_topic_removal_begin(struct weir_controller *controller,
                              struct weir_topic_removal *removal)
{
    removal->controller = controller;
    weir_offline_forget(&controller->offline, weir_text(removal->name), removal->partition_count);
    removal->next = controller->removals;
    controller->removals = removal;
    step(removal, WEIR_REMOVAL_BEGIN, 0);
}

static bool waits(const struct weir_topic_removal *removal)
{
    return removal->state.phase == WEIR_REMOVAL_TELLING ||
           removal->state.phase == WEIR_REMOVAL_WAITING;
}

bool weir_topic_removal_retry(struct weir_controller *controller)
{
    bool still = false;
    struct weir_topic_removal *next;
    for (struct weir_topic_removal *removal = controller->removals; removal != NULL;
         removal = next) {
        next = removal->next;
        still |= waits(removal);
        step(removal, WEIR_REMOVAL_TURN, 0); /* may be its end */
    }
    return still;
}

static struct weir_topic_removal *find(const struct weir_controller *controller,
                                       struct weir_slice name)
{
    struct weir_topic_removal *removal = controller->removals;
    while (removal != NULL && !weir_slice_equal(weir_text(removal->name), name)) {
        removal = removal->next;
    }
    return removal;
}

/* The change that is being built comes back when the removal is through, behind those that came before it. */
static void defer_current(struct weir_topic_removal *removal)
{
    struct weir_metadata_change *change = removal->controller->current;
    struct weir_metadata_change **last = &removal->waiting;
    weir_assert(change != NULL && change->next == NULL);
    while (*last != NULL)
        last = &(*last)->next;
    *last = change;
}

int weir_topic_removal_admit(struct weir_controller *controller, struct weir_slice name,
                             struct weir_error *error)
{
    struct weir_topic_removal *removal = find(controller, name);
    if (removal == NULL) return 0;
    if (!removal->state.is_long) {
        defer_current(removal);
        return WEIR_CHANGE_WAITS;
    }
    return weir_error_set(error, (enum weir_code)removal->state.short_of,
                          "topic '%s' is being deleted, which waits (%s): try again later",
                          removal->name, weir_code_text(removal->state.short_of));
}

/* ---- after a crash --------------------------------------------------------------------------- */

/* The id in the folder's durable mark. A shortage is among its errors. */
static int read_marked_id(struct weir_engine *engine, const char *folder, struct weir_uuid *id_out)
{
    struct weir_durable_mark mark;
    struct weir_arena arena;
    weir_arena_init(&arena, &engine->budget, 0);
    int rc =
        weir_durable_mark_read(engine->env, &engine->budget, folder, &arena, &mark, NULL, NULL);
    if (rc == 0) {
        *id_out = mark.topic_id;
        weir_durable_mark_close(&mark);
    }
    weir_arena_close(&arena);
    return rc;
}

/* The folder may be a later topic's of the same name: the id inside tells. A folder that came back
 * with a power loss, for the sync of its renaming had failed, may have the mark only. Where neither can
 * be read for a shortage, nobody knows, and the open fails. */
static int is_of(struct weir_engine *engine, const char *path, struct weir_uuid id,
                 bool name_is_live, bool *is_of_out)
{
    struct weir_uuid found;
    int rc = weir_partition_metadata_read(engine->env, &engine->budget, path, &found, NULL);
    if (rc < 0 && !weir_code_is_shortage(rc)) rc = read_marked_id(engine, path, &found);
    if (weir_code_is_shortage(rc)) return rc;
    *is_of_out = rc < 0 ? !name_is_live : weir_uuid_equal(found, id);
    return 0;
}

/* Where the folder is gone already, says the page cache, the sync that should have told the disk may
 * have failed, and no later one makes up for it: the old name would come back with a power loss. So
 * its absence is written, by making it and removing it. True if the name is free. */
static bool write_absence(struct weir_engine *engine, const char *path)
{
    (void)weir_make_directory(engine->env, path, NULL);         /* is there, or there is no room */
    return weir_remove_directory(engine->env, path, NULL) == 0; /* only if it is empty */
}

static int mend_topic(struct weir_controller *controller, const struct weir_removed_topic *removed,
                      struct weir_error *error)
{
    struct weir_engine *engine = controller->engine;
    bool is_live =
        weir_metadata_topic(&controller->metadata.image, weir_text(removed->name)) != NULL;
    for (int32_t i = 0; i < removed->partition_count; i++) {
        struct weir_file_stat stat;
        struct weir_log_path from = folder_of(engine, removed->name, i);
        struct weir_log_path to = deleted_folder_of(engine, removed->name, removed->id, i);
        if (write_absence(engine, from.text)) continue;
        if (weir_stat(engine->env, from.text, &stat, NULL) < 0) continue;
        bool is_its = false;
        int rc = is_of(engine, from.text, removed->id, is_live, &is_its);
        if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "look at '%s'", from.text);
        if (!is_its) continue;
        rc = take_away(engine, from.text, to.text, error);
        if (rc < 0) return rc;
    }
    return 0;
}

int weir_topic_removal_mend(struct weir_controller *controller, struct weir_error *error)
{
    struct weir_engine *engine = controller->engine;
    struct weir_metadata_machine *metadata = &controller->metadata;
    int rc = 0;
    bool has_removed = metadata->removed != NULL;
    while (rc == 0 && metadata->removed != NULL) {
        struct weir_removed_topic *removed = metadata->removed;
        rc = mend_topic(controller, removed, error);
        metadata->removed = removed->next;
        weir_free(removed->name);
        weir_free(removed);
    }
    if (rc == 0 && has_removed) {
        rc = weir_sync_directory(engine->env, engine->directory.log_path.text, error);
    }
    if (rc == 0 && !engine->directory.was_clean) {
        rc = for_names(engine, engine->directory.log_path.text, DELETED, remove_folder, error);
    }
    return weir_error_wrap(error, rc, "finish the deletion of topics");
}
