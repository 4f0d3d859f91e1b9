#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "runtime/job/start_internal.h"
#include "wire/record_batch_reader.h"

/**
 * Where state is to be dropped and made anew from the inputs, they are read through first: damage that nobody
 * has met yet would stop the job half way, with the state gone. Every batch is fetched and its crc compared;
 * what its records say is not looked at.
 *
 *   fetch ──whole──> fetch from behind it ... up to where the log ended when the start looked
 *     │──a crc is wrong──> report ──it is on the disk, too──> describe ──> damaged
 *     │                       └────only in memory─────────> fetch once more
 *     └──offline, corrupt───────────────────────────────────> describe ──> damaged, or begins elsewhere
 *
 * A few partitions at a time, a fetch each, is all that it holds. What is damaged is a fact like others then:
 * the rest is read on, so that all of it is known, and the start refused.
 */
enum {
    READERS = 4,
    READ_SIZE = 1 << 20,
    EMPTY_MAX = 3, /* answers without batches in a row, as while a log is cut */
    SAY_EVERY_MS = 10 * 1000,
};

/* A reader is idle where nothing is asked, and between an answer and the next question. */
enum phase { IDLE, FETCHING, REPORTING, DESCRIBING };

#define TO(phase) WEIR_STATE_BIT(phase)
static const struct weir_state_row rows[] = {
    [IDLE] = {"idle", TO(FETCHING)},
    [FETCHING] = {"fetching", TO(IDLE) | TO(REPORTING) | TO(DESCRIBING)},
    [REPORTING] = {"reporting", TO(IDLE) | TO(DESCRIBING)},
    [DESCRIBING] = {"describing", TO(IDLE)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("reader of input", rows);

struct reader {
    enum phase phase; /* by move only */
    size_t topic;
    int32_t partition;
    int64_t position;
    int64_t end;
    int64_t bad_offset; /* of the batch whose crc was wrong last; -1: none */
    bool is_doubted;    /* it was whole on the disk, and is read once more */
    int empty_count;
    struct weir_fetch_request fetch;
    struct weir_damage_report report;
    struct weir_describe_partition_request describe;
    struct weir_error why;
};

struct weir_start_inputs {
    struct reader readers[READERS];
    size_t topic; /* where the next partition is looked for */
    int32_t partition;
    int64_t offsets_total;
    int64_t offsets_read;
    int64_t bytes_read;
    struct weir_mono said;
};

static struct weir_start_topic *topic_of(struct weir_start *start, const struct reader *reader)
{
    return &start->facts.topics[reader->topic];
}

static struct weir_start_partition *partition_of(struct weir_start *start,
                                                 const struct reader *reader)
{
    return &topic_of(start, reader)->partitions[reader->partition];
}

static struct weir_topic_partition place_of(struct weir_start *start, const struct reader *reader)
{
    return (struct weir_topic_partition){weir_text(topic_of(start, reader)->name),
                                         reader->partition};
}

static int wrap(struct weir_start *start, const struct reader *reader,
                const struct weir_request *answer, struct weir_error *error)
{
    weir_error_copy(error, &answer->error);
    return weir_error_wrap(error, answer->rc,
                           "read '%s' partition %" PRId32 " from offset %" PRId64,
                           topic_of(start, reader)->name, reader->partition, reader->position);
}

static void check(const struct weir_start *start, const struct reader *reader)
{
    if (reader->partition < 0) { /* it has none yet */
        weir_assert(reader->phase == IDLE);
        return;
    }
    weir_assert(reader->topic < start->facts.topic_count);
    weir_assert(reader->partition < start->facts.topics[reader->topic].partition_count);
    weir_assert(reader->phase == IDLE || start->outstanding > 0);
    weir_assert(reader->empty_count >= 0);
}

static void move(struct weir_start *start, struct reader *reader, enum phase to)
{
    reader->phase = weir_state_move(&phases, topic_of(start, reader)->name, reader->phase, to);
    check(start, reader);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void ask_fetch(struct weir_start *start, struct reader *reader)
{
    weir_assert(reader->position < reader->end);
    reader->fetch = (struct weir_fetch_request){
        .request = weir_start_asked(start),
        .from = place_of(start, reader),
        .offset = reader->position,
        .size_max = READ_SIZE,
        .deadline = WEIR_MONO_NEVER,
        .read_uncommitted_end = true,
    };
    move(start, reader, FETCHING);
    weir_log_fetch(start->streams->log, &reader->fetch);
}

static void ask_report(struct weir_start *start, struct reader *reader)
{
    reader->report = (struct weir_damage_report){
        .request = weir_start_asked(start),
        .of = place_of(start, reader),
        .offset = reader->bad_offset,
    };
    move(start, reader, REPORTING);
    weir_log_report_damage(start->streams->log, &reader->report);
}

static void ask_description(struct weir_start *start, struct reader *reader)
{
    reader->describe = (struct weir_describe_partition_request){.request = weir_start_asked(start),
                                                                .of = place_of(start, reader)};
    move(start, reader, DESCRIBING);
    weir_log_describe_partition(start->streams->log, &reader->describe);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void go_on_from(struct weir_start_inputs *inputs, struct reader *reader, int64_t position)
{
    int64_t bound = position < reader->end ? position : reader->end;
    if (bound > reader->position) inputs->offsets_read += bound - reader->position;
    if (position > reader->position) reader->position = position;
}

/* It cannot be read from `offset` on. */
static void note_damage(struct weir_start *start, struct reader *reader, int64_t offset)
{
    char quoted[WEIR_ERROR_TEXT_SIZE + 8];
    struct weir_start_partition *partition = partition_of(start, reader);
    partition->is_offline = true;
    partition->offline_from = offset;
    weir_log(&start->streams->env->logger, WEIR_LOG_WARN, "start.input_damaged",
             "application=%s topic=%s partition=%" PRId32 " offset=%" PRId64 " why=%s",
             start->facts.application_id, topic_of(start, reader)->name, reader->partition, offset,
             weir_log_quote(quoted, sizeof quoted, reader->why.text));
}

/* 0 with the position behind what is whole; WEIR_CORRUPT with the batch that is not. */
static int check_part(struct weir_start_inputs *inputs, struct reader *reader,
                      struct weir_slice rest, struct weir_error *error)
{
    struct weir_batch_reader batches = {.rest = rest};
    int rc;
    while ((rc = weir_batch_reader_next(&batches, error)) == 0) {
        int64_t last = weir_batch_last_offset(&batches.header);
        if (last < reader->position) continue;
        reader->bad_offset = batches.header.base_offset;
        rc = weir_batch_check_crc(batches.batch, error);
        if (rc < 0) return rc;
        go_on_from(inputs, reader, last + 1);
    }
    reader->bad_offset = reader->position;
    return rc < 0 ? rc : 0;
}

static int take_batches(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    struct weir_start_inputs *inputs = start->inputs;
    struct weir_log_batches *batches = &reader->fetch.batches;
    int64_t before = reader->position;
    int rc = 0;
    inputs->bytes_read += (int64_t)reader->fetch.size;
    for (size_t i = 0; rc >= 0 && i < batches->part_count; i++) {
        rc = check_part(inputs, reader, weir_log_part_bytes(&batches->parts[i]), &reader->why);
    }
    weir_log_batches_release(batches);
    if (rc < 0 && reader->is_doubted) {
        weir_error_copy(error, &reader->why);
        return weir_error_wrap(error, rc,
                               "'%s' partition %" PRId32 " is whole on the disk, and twice it was "
                               "not in memory: is the memory in order?",
                               topic_of(start, reader)->name, reader->partition);
    }
    if (rc < 0) {
        ask_report(start, reader);
        return 0;
    }
    reader->is_doubted = false;
    reader->empty_count = reader->position > before ? 0 : reader->empty_count + 1;
    if (reader->fetch.log_end_offset >= 0 && reader->fetch.log_end_offset < reader->end) {
        reader->end = reader->fetch.log_end_offset; /* the log was cut meanwhile */
    }
    if (reader->empty_count <= EMPTY_MAX) return 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "nothing can be read at offset %" PRId64 " of '%s' partition %" PRId32
                          ", and the log ends at %" PRId64,
                          reader->position, topic_of(start, reader)->name, reader->partition,
                          reader->end);
}

static int take_fetch(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    const struct weir_request *answer = &reader->fetch.request;
    switch (answer->rc) {
    case WEIR_OFFLINE:
    case WEIR_CORRUPT:
    case WEIR_OFFSET_OUT_OF_RANGE:
        reader->why = answer->error;
        reader->bad_offset = reader->position;
        ask_description(start, reader);
        return 0;
    default:
        return answer->rc < 0 ? wrap(start, reader, answer, error)
                              : take_batches(start, reader, error);
    }
}

static int take_report(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    const struct weir_request *answer = &reader->report.request;
    switch (answer->rc) {
    case 0: /* whole, or given up since, which is found when it is read once more */
        reader->is_doubted = true;
        return 0;
    case WEIR_CORRUPT:
    case WEIR_OFFLINE:
        ask_description(start, reader);
        return 0;
    case WEIR_UNSUPPORTED: /* nobody can look again: what was given has to do */
        note_damage(start, reader, reader->bad_offset);
        return 0;
    default:
        return wrap(start, reader, answer, error);
    }
}

/* Retention does not wait. Where nothing may be lost the start ends here. */
static int take_new_start(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    struct weir_start_partition *partition = partition_of(start, reader);
    const struct weir_describe_partition_request *described = &reader->describe;
    partition->log_start = described->log_start_offset;
    partition->log_end = described->log_end_offset;
    if (reader->end > partition->log_end) reader->end = partition->log_end;
    if (!start->may_lose && partition->log_start > reader->position) {
        return weir_start_refuse_overtaken(&start->facts, topic_of(start, reader),
                                           reader->partition, reader->position, error);
    }
    reader->empty_count++; /* as long as it gets somewhere */
    go_on_from(start->inputs, reader, partition->log_start);
    if (reader->empty_count <= EMPTY_MAX) return 0;
    return wrap(start, reader, &reader->fetch.request, error);
}

static int take_description(struct weir_start *start, struct reader *reader,
                            struct weir_error *error)
{
    const struct weir_describe_partition_request *described = &reader->describe;
    if (described->request.rc < 0) return wrap(start, reader, &described->request, error);
    bool is_elsewhere = reader->fetch.request.rc == WEIR_OFFSET_OUT_OF_RANGE;
    if (!described->is_offline && is_elsewhere) return take_new_start(start, reader, error);
    bool is_known = described->is_offline && described->offline_from >= 0;
    note_damage(start, reader, is_known ? described->offline_from : reader->bad_offset);
    return 0;
}

static int take_answer(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    switch (reader->phase) {
    case IDLE:
        return 0;
    case FETCHING:
        return take_fetch(start, reader, error);
    case REPORTING:
        return take_report(start, reader, error);
    case DESCRIBING:
        return take_description(start, reader, error);
    }
    return 0;
}

/* It is idle then, unless the answer leads to another question. */
static int take(struct weir_start *start, struct reader *reader, struct weir_error *error)
{
    const enum phase before = reader->phase;
    int rc = take_answer(start, reader, error);
    if (before != IDLE && reader->phase == before) move(start, reader, IDLE);
    return rc;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static bool is_read(const struct weir_start_topic *topic)
{
    return topic->role == WEIR_START_INPUT && topic->exists;
}

static bool next_partition(struct weir_start *start, struct reader *reader)
{
    struct weir_start_inputs *inputs = start->inputs;
    weir_assert(reader->phase == IDLE);
    for (; inputs->topic < start->facts.topic_count; inputs->topic++, inputs->partition = 0) {
        const struct weir_start_topic *topic = &start->facts.topics[inputs->topic];
        if (!is_read(topic) || inputs->partition >= topic->partition_count) continue;
        const struct weir_start_partition *partition = &topic->partitions[inputs->partition];
        *reader = (struct reader){
            .topic = inputs->topic,
            .partition = inputs->partition++,
            .position = partition->log_start,
            .end = partition->log_end,
            .bad_offset = -1,
        };
        return true;
    }
    return false;
}

/* Whatever was answered has been taken; false: there is nothing left for this reader. */
static bool go_on(struct weir_start *start, struct reader *reader)
{
    if (reader->phase != IDLE) return true; /* it has asked already */
    bool is_open = reader->partition >= 0 && !partition_of(start, reader)->is_offline;
    while (!is_open || reader->position >= reader->end) {
        if (!next_partition(start, reader)) return false;
        is_open = true;
    }
    ask_fetch(start, reader);
    return true;
}

static void say(struct weir_start *start, const char *event)
{
    struct weir_start_inputs *inputs = start->inputs;
    inputs->said = weir_mono_now(start->streams->env);
    weir_log(&start->streams->env->logger, WEIR_LOG_INFO, event,
             "application=%s offsets=%" PRId64 " of=%" PRId64 " bytes=%" PRId64,
             start->facts.application_id, inputs->offsets_read, inputs->offsets_total,
             inputs->bytes_read);
}

static int begin(struct weir_start *start, struct weir_error *error)
{
    int rc = weir_start_refuse_damaged(&start->facts, error); /* known: nothing has to be read */
    if (rc < 0) return rc;
    struct weir_start_inputs *inputs = weir_arena_alloc_zero(&start->arena, sizeof *inputs);
    if (inputs == NULL) return weir_start_no_memory(error);
    start->inputs = inputs;
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        for (int32_t p = 0; is_read(topic) && p < topic->partition_count; p++) {
            inputs->offsets_total += topic->partitions[p].log_end - topic->partitions[p].log_start;
        }
    }
    for (size_t i = 0; i < READERS; i++) {
        inputs->readers[i].partition = -1; /* it has none yet */
    }
    say(start, "start.reads_inputs");
    return 0;
}

/* What will not be counted again, though it may have been. */
static void say_what_is_missing(struct weir_start *start)
{
    for (size_t t = 0; t < start->facts.topic_count; t++) {
        const struct weir_start_topic *topic = &start->facts.topics[t];
        for (int32_t p = 0; is_read(topic) && p < topic->partition_count; p++) {
            const struct weir_start_partition *partition = &topic->partitions[p];
            if (partition->log_start == 0 && partition->lost.to == 0) continue;
            weir_log(&start->streams->env->logger, WEIR_LOG_WARN, "start.reads_what_is_left",
                     "application=%s topic=%s partition=%" PRId32 " begins_at=%" PRId64
                     " given_up_ranges=%zu last_given_up=%" PRId64 "..%" PRId64,
                     start->facts.application_id, topic->name, p, partition->log_start,
                     partition->lost_count, partition->lost.from, partition->lost.to);
        }
    }
}

int weir_start_read_inputs(struct weir_start *start, struct weir_error *error)
{
    if (!start->reads_again) return 0;
    struct weir_start_inputs *inputs = start->inputs;
    int rc = inputs == NULL ? begin(start, error) : 0;
    if (rc < 0) return rc;
    inputs = start->inputs;
    bool is_asked = false;
    for (size_t i = 0; rc >= 0 && i < READERS; i++) {
        struct reader *reader = &inputs->readers[i];
        rc = take(start, reader, error);
        if (rc >= 0) is_asked |= go_on(start, reader);
    }
    if (rc < 0) return rc;
    struct weir_mono now = weir_mono_now(start->streams->env);
    if (is_asked && now.ns - inputs->said.ns >= (int64_t)SAY_EVERY_MS * 1000000) {
        say(start, "start.reads_inputs");
    }
    if (is_asked) return WEIR_START_AGAIN;
    say(start, "start.has_read_inputs");
    rc = weir_start_refuse_damaged(&start->facts, error);
    if (rc >= 0) say_what_is_missing(start);
    return rc;
}

void weir_start_drop_inputs(struct weir_start *start)
{
    for (size_t i = 0; start->inputs != NULL && i < READERS; i++) {
        struct reader *reader = &start->inputs->readers[i];
        bool has_answer = reader->phase == FETCHING && reader->fetch.request.rc >= 0;
        if (has_answer) weir_log_batches_release(&reader->fetch.batches);
    }
}
