#include "broker/coordinator/group/group_update.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/coordinator_record.h"

enum { RECORDS_FIRST = 4 };

void weir_group_update_init(struct weir_group_update *update, struct weir_arena *arena)
{
    *update = (struct weir_group_update){.arena = arena, .wake_at_ms = WEIR_GROUP_NEVER_MS};
}

static void add_answer(struct weir_group_answers *answers, struct weir_group_request *request,
                       int rc)
{
    weir_assert(!request->is_parked);
    if (rc >= 0 && request->arena != NULL && weir_arena_failed(request->arena)) {
        rc = weir_error_set(&request->request.error, WEIR_NO_MEMORY, "answer about a group");
    }
    request->request.rc = rc;
    request->next = NULL;
    if (answers->last == NULL) {
        answers->first = request;
    } else {
        answers->last->next = request;
    }
    answers->last = request;
}

void weir_group_answer(struct weir_group_update *update, struct weir_group_request *request, int rc)
{
    add_answer(&update->answered, request, rc);
}

void weir_group_answer_durable(struct weir_group_update *update, struct weir_group_request *request,
                               int rc)
{
    add_answer(&update->durable, request, rc);
}

static int need_record(struct weir_group_update *update)
{
    if (update->record_count < update->record_capacity) return 0;
    size_t capacity = update->record_capacity == 0 ? RECORDS_FIRST : 2 * update->record_capacity;
    struct weir_group_record *records = weir_arena_array(update->arena, capacity, sizeof *records);
    if (records == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < update->record_count; i++) {
        records[i] = update->records[i];
    }
    update->records = records;
    update->record_capacity = capacity;
    return 0;
}

static int copy_out(struct weir_group_update *update, const struct weir_buffer *buffer,
                    struct weir_slice *slice_out)
{
    *slice_out = weir_arena_copy(update->arena, weir_buffer_slice(buffer));
    return weir_arena_failed(update->arena) ? WEIR_NO_MEMORY : 0;
}

int weir_group_update_write(struct weir_group_update *update,
                            const struct weir_message_type *key_type, const void *key,
                            const struct weir_message_type *value_type, const void *value,
                            int16_t version)
{
    struct weir_buffer buffer;
    struct weir_group_record record = {.value = weir_null()};
    int rc = need_record(update);
    weir_buffer_init(&buffer, update->arena->budget, 0);
    if (rc == 0) rc = weir_coordinator_key_encode(key_type, key, &buffer);
    if (rc == 0) rc = copy_out(update, &buffer, &record.key);
    weir_buffer_reset(&buffer);
    if (rc == 0 && value != NULL) {
        rc = weir_coordinator_value_encode(value_type, value, version, &buffer);
        if (rc == 0) rc = copy_out(update, &buffer, &record.value);
    }
    weir_buffer_close(&buffer);
    if (rc == 0) update->records[update->record_count++] = record;
    return rc;
}

void weir_group_update_note_silent(struct weir_group_update *update, struct weir_slice member_id,
                                   struct weir_slice client_id, const char *missed)
{
    if (update->silent_count++ >= WEIR_SILENT_NAMED_MAX) return;
    struct weir_silent_member *silent = weir_arena_alloc(update->arena, sizeof *silent);
    if (silent == NULL) return;
    *silent = (struct weir_silent_member){
        .next = update->silent,
        .member_id = weir_arena_copy(update->arena, member_id),
        .client_id = weir_arena_copy(update->arena, client_id),
        .missed = missed,
    };
    update->silent = silent;
}

int weir_group_update_drop(struct weir_group_update *update, struct weir_slice key)
{
    int rc = need_record(update);
    struct weir_slice copy = rc == 0 ? weir_arena_copy(update->arena, key) : weir_null();
    if (rc == 0 && weir_arena_failed(update->arena)) rc = WEIR_NO_MEMORY;
    if (rc == 0) {
        update->records[update->record_count++] =
            (struct weir_group_record){.key = copy, .value = weir_null()};
    }
    return rc;
}
