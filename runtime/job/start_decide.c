#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/job/start_compare.h"

/**
 * What a difference is, and what each choice makes of it.
 *
 * A row that is NOTED goes on by itself, with a line in the log. One that is HELD does so too as long as
 * nothing was chosen, for it may be harmless: a store that is beyond what its changelog has lost is whole,
 * and one that is not refuses when it is restored (runtime/task/restore.h). With a choice it is one to
 * choose. One to CHOOSE refuses the start unless the caller has chosen; the state it EMPTIES is what
 * WEIR_ON_MISMATCH_START_EMPTY starts empty. One of SINCE the choice of a start that was killed is the same,
 * but that choice does not cover it. One that is FINAL cannot be chosen away: something that is not the
 * application's would have to go.
 */
enum weight { NOTED, HELD, CHOOSE, SINCE, FINAL };
enum empties { KEEPS, TOPIC, READERS, FED, EVERYTHING };

/* {t} topic, {p} partition, {o} store or application, {x} the other one, {a} and {b} numbers,
 * {c} and {d} their leader epochs; {w} what bytes were written as, {n} what they are taken for, {f} in
 * which field that differs. */
static const struct row {
    const char *name;
    enum weight weight;
    enum empties empties;
    const char *text;
} rows[] = {
    [WEIR_START_RESET_BEGUN] =
        {"reset-begun", FINAL, KEEPS,
         "application '{t}' is being reset, and that has not come to its end: run 'weir app reset "
         "{t} --data DIR' once more, which goes on with it"},
    [WEIR_START_COMMIT_GONE] = {"commit-gone", CHOOSE, EVERYTHING,
                                "application '{t}' has committed before, and group '{t}' has no "
                                "commit of it any more"},
    [WEIR_START_COMMIT_FOREIGN] =
        {"commit-foreign", CHOOSE, EVERYTHING,
         "group '{t}' has {a} offsets that this application did not commit: "
         "of a consumer, or of a Kafka Streams application of that id; 'weir app adopt {t} --data "
         "DIR --dry-run' shows what would be taken over"},
    [WEIR_START_RECORDS_GONE] =
        {"records-gone", NOTED, KEEPS,
         "the topic with the records of application '{t}' was gone; they are "
         "written anew from its commit"},
    [WEIR_START_NOT_OURS] =
        {"not-ours", FINAL, KEEPS,
         "topic '{t}' is not this application's: nothing that this "
         "application has written down names it; give the application another id, "
         "or delete the topic if nothing needs it"},
    [WEIR_START_OWNED] = {"owned", FINAL, KEEPS,
                          "topic '{t}' is not this application's: it belongs to application '{x}'; "
                          "give one of the two another id, or '{o}' another name"},
    [WEIR_START_REPLACED] = {"replaced", CHOOSE, TOPIC,
                             "topic '{t}' was deleted and made anew by somebody else"},
    [WEIR_START_MADE_ANEW] =
        {"made-anew", CHOOSE, TOPIC,
         "topic '{t}' is empty and not the one that the last commit covers, and "
         "the application's records are gone, which would say who made it anew"},
    [WEIR_START_GONE] = {"gone", CHOOSE, TOPIC, "topic '{t}' is gone"},
    [WEIR_START_PARTITIONS] =
        {"partitions", CHOOSE, TOPIC,
         "topic '{t}' has {a} partitions, and the job now has {b} tasks on it: the "
         "partitions of its inputs have changed, or somebody else made it"},
    [WEIR_START_NO_ENTRY] =
        {"no-entry", CHOOSE, TOPIC,
         "the last commit does not name topic '{t}' partition {p}: '{o}' was not "
         "part of the program that ran last, or the group was given back since"},
    [WEIR_START_ENTRY_FOREIGN] =
        {"entry-foreign", CHOOSE, TOPIC,
         "offset {a} of topic '{t}' partition {p} was not committed by this "
         "application"},
    [WEIR_START_SHORTER] =
        {"shorter", CHOOSE, TOPIC,
         "topic '{t}' partition {p} ends at {b}, and the last commit covers it up to "
         "{a}"},
    [WEIR_START_REWRITTEN] =
        {"rewritten", CHOOSE, TOPIC,
         "topic '{t}' partition {p} was cut at {b} and written anew, and the last "
         "commit covers it up to {a}"},
    [WEIR_START_FOREIGN_TAIL] =
        {"foreign-tail", CHOOSE, TOPIC,
         "topic '{t}' partition {p} has records from {a} on (it ends at {b}) that "
         "this application did not write"},
    [WEIR_START_HEAD_GONE] = {"head-gone", CHOOSE, TOPIC,
                              "topic '{t}' partition {p} has lost its records below {b}"},
    [WEIR_START_LOST] = {"lost", HELD, TOPIC,
                         "topic '{t}' partition {p} has lost records up to {b}, given up by a "
                         "repair: store '{o}' is whole only where its state on this disk is"},
    [WEIR_START_LOST_BETWEEN] =
        {"lost-between", CHOOSE, TOPIC,
         "topic '{t}' partition {p} has lost records up to {b} that were not processed yet, given "
         "up by a repair"},
    [WEIR_START_FORMAT] = {"format", CHOOSE, TOPIC,
                           "the {x} of store '{o}' were written as {w}, and the program takes "
                           "them for {n}{f}"},
    [WEIR_START_FORMAT_BETWEEN] =
        {"format-between", CHOOSE, TOPIC,
         "topic '{t}' has {a} records that are not processed yet, their {x} were written as {w}, "
         "and the program takes them for {n}{f}"},
    [WEIR_START_NEW_STORE] =
        {"new-store", CHOOSE, TOPIC,
         "store '{o}' is new, and the application has processed records that it "
         "would miss"},
    [WEIR_START_RENAMED_STORE] = {"renamed-store", CHOOSE, TOPIC,
                                  "store '{o}' is new, and store '{x}' is not named any more{f}"},
    [WEIR_START_STORE_LEFT] =
        {"store-left", NOTED, KEEPS,
         "store '{o}' is not named any more; its changelog '{t}' is kept, delete it "
         "when nothing needs it"},
    [WEIR_START_BUFFER_LEFT] =
        {"buffer-left", CHOOSE, KEEPS,
         "store '{o}' is not named any more, and records that wait in it would not come out; if "
         "some may wait, let the program of before run on until they are out"},
    [WEIR_START_REPARTITION_LEFT] = {"repartition-left", CHOOSE, KEEPS,
                                     "topic '{t}' is not part of the program any more, and has {a} "
                                     "records that are not processed"},
    [WEIR_START_INPUT_GONE] = {"input-gone", CHOOSE, FED, "input topic '{t}' is gone"},
    [WEIR_START_INPUT_REPLACED] =
        {"input-replaced", CHOOSE, FED,
         "input topic '{t}' was deleted and made anew since the last commit"},
    [WEIR_START_INPUT_REPLACED_STATELESS] =
        {"input-replaced", NOTED, KEEPS,
         "input topic '{t}' was deleted and made anew since the last "
         "commit; it is read from its beginning"},
    [WEIR_START_INPUT_MORE] =
        {"input-more", CHOOSE, READERS,
         "input topic '{t}' had {a} partitions and has {b} now: its keys may lie "
         "in other partitions than their state"},
    [WEIR_START_INPUT_FEWER] = {"input-fewer", CHOOSE, READERS,
                                "input topic '{t}' had {a} partitions and has {b} now"},
    [WEIR_START_INPUT_DAMAGED] =
        {"input-damaged", FINAL, KEEPS,
         "input topic '{t}' partition {p} is damaged from offset {b} on, and the last commit is at "
         "{a}: close the log, let 'weir log repair DIR {t}/{p}' show what can be saved, and start "
         "again"},
    [WEIR_START_INPUT_OLDER] =
        {"input-older", CHOOSE, FED,
         "input topic '{t}' partition {p} ends at {b} in leader epoch {d}, and the last commit is "
         "at {a} in leader epoch {c}: an older copy of its log was put back"},
    [WEIR_START_INPUT_OLDER_STATELESS] =
        {"input-older", NOTED, KEEPS,
         "input topic '{t}' partition {p} ends at {b} in leader epoch {d}, and the last commit is "
         "at {a} in leader epoch {c}: an older copy of its log was put back; the job goes on at "
         "the lower of the two"},
    [WEIR_START_INPUT_OTHER] = {"input-other", CHOOSE, FED,
                                "input topic '{t}' partition {p} has another record at {b} than "
                                "the one that was read there, "
                                "and the last commit is at {a}: an older copy of its log was put "
                                "back and written to since"},
    [WEIR_START_INPUT_CUT] = {"input-cut", CHOOSE, FED,
                              "input topic '{t}' partition {p} lacks its records {a} to {b}, which "
                              "were processed and were on "
                              "its disk by then, where no kill and no loss of power takes any: an "
                              "older copy of its log was "
                              "put back"},
    [WEIR_START_INPUT_TAIL_LOST] =
        {"input-tail-lost", NOTED, KEEPS,
         "input topic '{t}' partition {p} has lost its records {a} to {b}, "
         "which were processed; the job goes on at {a}"},
    [WEIR_START_INPUT_TRIMMED] =
        {"input-trimmed", NOTED, KEEPS,
         "input topic '{t}' partition {p} has removed its records {a} to {b} "
         "before they were processed; the job goes on at {b}"},
    [WEIR_START_INPUT_UNREADABLE] = {"input-unreadable", FINAL, KEEPS,
                                     "all state would be made anew from the inputs, and '{t}' "
                                     "partition {p} is damaged from offset "
                                     "{b} on: close the log, let 'weir log repair DIR {t}/{p}' "
                                     "show what can be saved, and start "
                                     "again"},
    [WEIR_START_INPUT_OVERTAKEN] = {"input-overtaken", FINAL, KEEPS,
                                    "all state is to be made anew from the inputs, and '{t}' "
                                    "partition {p} has removed its records {a} to {b} while it "
                                    "was read through"},
    [WEIR_START_CHOSEN_GONE] = {"input-gone", SINCE, FED,
                                "input topic '{t}' is gone since it was chosen to read it again"},
    [WEIR_START_CHOSEN_REPLACED] =
        {"input-replaced", SINCE, FED,
         "input topic '{t}' was deleted and made anew since it was chosen to read it again"},
    [WEIR_START_CHOSEN_OLDER] = {"input-older", SINCE, FED,
                                 "input topic '{t}' partition {p} ends at {b} in leader epoch {d}, "
                                 "and is to be read again up to "
                                 "{a} in leader epoch {c}: an older copy of its log was put back"},
    [WEIR_START_CHOSEN_DAMAGED] = {"input-damaged", SINCE, FED,
                                   "all inputs are to be read again, and '{t}' partition {p} is "
                                   "damaged from offset {b} "
                                   "on: close the log, let 'weir log repair DIR {t}/{p}' show what "
                                   "can be saved, and start again"},
    [WEIR_START_CHOSEN_TRIMMED] = {"input-trimmed", SINCE, FED,
                                   "input topic '{t}' partition {p} has removed its records {a} to "
                                   "{b} since it was chosen to read "
                                   "them again: the state that was dropped had counted them"},
    [WEIR_START_CHOSEN_LOST] =
        {"input-lost", SINCE, FED,
         "input topic '{t}' partition {p} has lost records within {a} to {b}, given up by a "
         "repair, since "
         "it was chosen to read them again: the state that was dropped had counted them"},
    [WEIR_START_CHOSEN_TAIL_LOST] = {"input-tail-lost", NOTED, KEEPS,
                                     "input topic '{t}' partition {p} has lost its records {a} to "
                                     "{b} before they were read again"},
};

static const struct row *row_of(enum weir_start_what what)
{
    weir_assert(what > WEIR_START_NOTHING && what < sizeof rows / sizeof rows[0]);
    return &rows[what];
}

const char *weir_start_what_name(enum weir_start_what what)
{
    return row_of(what)->name;
}

bool weir_start_is_noted(enum weir_start_what what)
{
    return row_of(what)->weight <= HELD;
}

/* ---- texts ----------------------------------------------------------------------------------- */

enum { NAME_SIZE_MAX = 249, NAME_SIZE_MIN = 24 }; /* a topic's, and what says which one it is */

/* A name longer than `most` loses its middle: ends differ where beginnings are alike. */
static int put_name(const char *name, size_t most, char *to, size_t size)
{
    static const char gap[] = "...";
    size_t length = strlen(name);
    weir_assert(most >= sizeof gap); /* an end is left on both sides */
    if (length <= most) return snprintf(to, size, "%s", name);
    size_t kept = most - (sizeof gap - 1);
    size_t end = kept / 2;
    return snprintf(to, size, "%.*s%s%s", (int)(kept - end), name, gap, name + length - end);
}

/* `to` may have no room left. What it would have taken, as snprintf. */
static size_t put(const struct weir_start_difference *difference, char field, size_t name_most,
                  char *to, size_t size)
{
    int count = 0;
    switch (field) {
    case 't':
        count = put_name(difference->topic_name, name_most, to, size);
        break;
    case 'o':
        count = put_name(difference->of, name_most, to, size);
        break;
    case 'x':
        count = put_name(difference->other != NULL ? difference->other : "?", name_most, to, size);
        break;
    case 'p':
        count = snprintf(to, size, "%" PRId32, difference->partition);
        break;
    case 'w':
        count = put_name(difference->written, name_most, to, size);
        break;
    case 'n':
        count = put_name(difference->wanted, name_most, to, size);
        break;
    case 'f':
        count = put_name(difference->field, name_most, to, size);
        break;
    case 'a':
        count = snprintf(to, size, "%" PRId64, difference->a);
        break;
    case 'b':
        count = snprintf(to, size, "%" PRId64, difference->b);
        break;
    case 'c':
        count = snprintf(to, size, "%" PRId32, difference->a_epoch);
        break;
    case 'd':
        count = snprintf(to, size, "%" PRId32, difference->b_epoch);
        break;
    default:
        weir_assert(false && "a field that the texts do not have");
    }
    return count > 0 ? (size_t)count : 0;
}

/* With names of at most `name_most`; what it takes, which may be more than `size`. */
static size_t write_text(const struct weir_start_difference *difference, size_t name_most, char *to,
                         size_t size)
{
    const char *text = row_of(difference->what)->text;
    size_t at = 0;
    while (*text != '\0') {
        size_t left = at < size ? size - at : 0;
        if (*text != '{') {
            if (left > 0) to[at] = *text;
            at++;
            text++;
            continue;
        }
        weir_assert(text[1] != '\0' && text[2] == '}');
        at += put(difference, text[1], name_most, left > 0 ? to + at : NULL, left);
        text += 3;
    }
    to[at < size ? at : size - 1] = '\0';
    return at;
}

void weir_start_difference_text(const struct weir_start_difference *difference, char *to,
                                size_t size)
{
    weir_assert(size > 0);
    size_t name_most = NAME_SIZE_MAX;
    while (write_text(difference, name_most, to, size) >= size && name_most > NAME_SIZE_MIN) {
        name_most--;
    }
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static size_t count_of(const struct weir_start_differences *found, enum weight weight)
{
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++) {
        count += row_of(found->items[i].what)->weight == weight;
    }
    return count;
}

static const struct weir_start_difference *first_of(const struct weir_start_differences *found,
                                                    enum weight weight)
{
    size_t i = 0;
    while (i < found->count && row_of(found->items[i].what)->weight != weight) {
        i++;
    }
    weir_assert(i < found->count); /* who asks for it has counted it */
    return &found->items[i];
}

/* ---- the inputs ------------------------------------------------------------------------------ */

typedef bool partition_is_fn(const struct weir_start_partition *partition);

static bool is_cut(const struct weir_start_partition *partition)
{
    return partition->log_start != 0 || partition->lost.to != 0;
}

static bool is_offline(const struct weir_start_partition *partition)
{
    return partition->is_offline;
}

/* Not served at its commit, for it is damaged below. */
static bool is_unserved(const struct weir_start_partition *partition)
{
    return partition->is_offline && partition->offline_from < partition->committed;
}

struct input_place {
    struct weir_start_topic *topic; /* NULL: there is none */
    int32_t partition;
};

/* How many partitions of the inputs are so, and the first of them. */
static size_t count_inputs(const struct weir_start_facts *facts, partition_is_fn *is_so,
                           struct input_place *first_out)
{
    size_t count = 0;
    *first_out = (struct input_place){NULL, -1};
    for (size_t t = 0; t < facts->topic_count; t++) {
        struct weir_start_topic *topic = &facts->topics[t];
        if (topic->role != WEIR_START_INPUT || !topic->exists) continue;
        for (int32_t p = 0; p < topic->partition_count; p++) {
            if (is_so(&topic->partitions[p]) && count++ == 0) {
                *first_out = (struct input_place){topic, p};
            }
        }
    }
    return count;
}

/* Where the commit is gone there is nothing to go on from: whatever is chosen, the inputs are read again. */
static bool has_no_position(const struct weir_start_facts *facts)
{
    return !facts->has_commit && facts->foreign_entries == 0;
}

static bool find_unserved(const struct weir_start_facts *facts, struct input_place *first_out)
{
    return !has_no_position(facts) && count_inputs(facts, is_unserved, first_out) > 0;
}

/* ---- what is refused, and what can be chosen ------------------------------------------------- */

static const char rebuild_choice[] =
    "WEIR_ON_MISMATCH_REBUILD drops all state and reads the inputs from their beginning";
static const char lossy_choice[] =
    "WEIR_ON_MISMATCH_LOSSY_REBUILD drops all state and reads what is left of the inputs";
static const char mended_choice[] =
    "a rebuild once 'weir log repair' has seen to the damaged input";
static const char all_mended_choice[] =
    "a rebuild, or WEIR_ON_MISMATCH_START_EMPTY, once 'weir log repair' has seen to the damaged "
    "input";
static const char empty_choice[] =
    "WEIR_ON_MISMATCH_START_EMPTY goes on and starts empty what does not fit";
/* Without a commit. */
static const char same_choice[] =
    "WEIR_ON_MISMATCH_START_EMPTY does the same, for want of a commit to go on from";

/* What emptying does, behind what a rebuild does. */
static const char *empty_choice_of(const struct weir_start_facts *facts)
{
    return has_no_position(facts) ? same_choice : empty_choice;
}

/* What can be chosen, as the end of a refusal. */
static void put_choices(const struct weir_start_facts *facts, char *to, size_t size)
{
    struct input_place first;
    bool is_whole = count_inputs(facts, is_cut, &first) == 0;
    const char *rebuild = is_whole ? rebuild_choice : lossy_choice;
    bool is_damaged = count_inputs(facts, is_offline, &first) > 0;
    bool is_served = !find_unserved(facts, &first);
    if (is_damaged) rebuild = is_served ? mended_choice : all_mended_choice;
    bool is_only = is_damaged && (!is_served || has_no_position(facts)); /* no other choice now */
    (void)snprintf(to, size, ". The choices, .on_mismatch: %s%s%s", rebuild, is_only ? "" : ", ",
                   is_only ? "" : empty_choice_of(facts));
}

/* For what those that pass it on put before it, "start job: ". */
enum { ROOM_BEFORE = 16, CHOICES_SIZE = WEIR_ERROR_TEXT_SIZE / 2 };

/* The first of `count` differences. The end of the text says what can be done: where there is not room for all,
 * names give way. */
static int refuse_for(const struct weir_start_difference *first, size_t count, const char *choices,
                      struct weir_error *error)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    char more[40] = "";
    weir_assert(count > 0 && strlen(choices) < CHOICES_SIZE);
    if (count > 1) (void)snprintf(more, sizeof more, " (and %zu more)", count - 1);
    weir_start_difference_text(first, text,
                               sizeof text - ROOM_BEFORE - strlen(more) - strlen(choices));
    return weir_error_set(error, WEIR_MISMATCH, "%s%s%s", text, more, choices);
}

static int refuse(const struct weir_start_facts *facts, const struct weir_start_differences *found,
                  enum weight weight, struct weir_error *error)
{
    char choices[CHOICES_SIZE] = "";
    if (weight != FINAL) put_choices(facts, choices, sizeof choices);
    return refuse_for(first_of(found, weight), count_of(found, weight), choices, error);
}

int weir_start_refuse_cut(const struct weir_start_facts *facts, struct weir_error *error)
{
    enum { NAME_MOST = 64 };
    char name[NAME_MOST + 1];
    struct input_place cut;
    if (count_inputs(facts, is_cut, &cut) == 0) return 0;
    const struct weir_start_partition *partition = &cut.topic->partitions[cut.partition];
    (void)put_name(cut.topic->name, NAME_MOST, name, sizeof name);
    return weir_error_set(
        error, WEIR_MISMATCH,
        "WEIR_ON_MISMATCH_REBUILD needs whole inputs, and '%s' has removed records "
        "that were processed (its beginning is gone) or lost some that a repair gave "
        "up: partition %" PRId32 " begins at %" PRId64 ", lost up to %" PRId64 ". Left are: %s, %s",
        name, cut.partition, partition->log_start, partition->lost.to, lossy_choice,
        empty_choice_of(facts));
}

int weir_start_refuse_overtaken(const struct weir_start_facts *facts,
                                const struct weir_start_topic *topic, int32_t partition,
                                int64_t position, struct weir_error *error)
{
    char choices[CHOICES_SIZE] = "";
    weir_assert(topic->role == WEIR_START_INPUT && partition < topic->partition_count);
    weir_assert(topic->partitions[partition].log_start > position);
    const struct weir_start_difference difference = {
        .what = WEIR_START_INPUT_OVERTAKEN,
        .topic_name = topic->name,
        .of = topic->of,
        .partition = partition,
        .a = position,
        .b = topic->partitions[partition].log_start,
    };
    put_choices(facts, choices, sizeof choices);
    return refuse_for(&difference, 1, choices, error);
}

int weir_start_refuse_damaged(const struct weir_start_facts *facts, struct weir_error *error)
{
    char choices[CHOICES_SIZE] = "";
    struct input_place first;
    struct input_place unserved;
    size_t count = count_inputs(facts, is_offline, &first);
    if (count == 0) return 0;
    const struct weir_start_partition *partition = &first.topic->partitions[first.partition];
    const struct weir_start_difference difference = {
        .what = WEIR_START_INPUT_UNREADABLE,
        .topic = first.topic,
        .topic_name = first.topic->name,
        .of = first.topic->of,
        .partition = first.partition,
        .b = weir_start_damaged_from(partition),
    };
    if (!find_unserved(facts, &unserved) && !has_no_position(facts)) {
        (void)snprintf(choices, sizeof choices, ". The other choice, .on_mismatch: %s",
                       empty_choice);
    }
    return refuse_for(&difference, count, choices, error);
}

int weir_start_refuse_unserved(const struct weir_start_facts *facts, struct weir_error *error)
{
    enum { NAME_MOST = 64 };
    char name[NAME_MOST + 1];
    struct input_place at;
    if (!find_unserved(facts, &at)) return 0;
    const struct weir_start_partition *partition = &at.topic->partitions[at.partition];
    (void)put_name(at.topic->name, NAME_MOST, name, sizeof name);
    return weir_error_set(
        error, WEIR_OFFLINE,
        "input topic '%s' partition %" PRId32 " is offline from offset %" PRId64
        " on, below the last commit at %" PRId64
        ", so that nothing can be read there. If it is damaged, close the log, let "
        "'weir log repair DIR %s/%" PRId32 "' show what can be saved, and start again",
        name, at.partition, weir_start_damaged_from(partition), partition->committed, name,
        at.partition);
}

static bool has_data(const struct weir_start_topic *topic)
{
    return topic->role == WEIR_START_CHANGELOG || topic->role == WEIR_START_REPARTITION;
}

static bool is_emptied_by(const struct weir_start_difference *difference,
                          const struct weir_start_topic *topic)
{
    bool is_changelog = topic->role == WEIR_START_CHANGELOG;
    switch (row_of(difference->what)->empties) {
    case KEEPS:
        return false;
    case TOPIC:
        return has_data(topic) && topic == difference->topic;
    case READERS:
        weir_assert(difference->topic->role == WEIR_START_INPUT);
        return is_changelog && difference->topic->read_by[topic->subtopology];
    case FED:
        weir_assert(difference->topic->role == WEIR_START_INPUT);
        return is_changelog && difference->topic->feeds[topic->subtopology];
    case EVERYTHING:
        return has_data(topic);
    }
    return false;
}

/* The same, of a store without a changelog. */
static bool is_store_emptied_by(const struct weir_start_difference *difference,
                                const struct weir_start_store *store)
{
    switch (row_of(difference->what)->empties) {
    case KEEPS:
    case TOPIC:
        return false;
    case READERS:
        return difference->topic->read_by[store->subtopology];
    case FED:
        return difference->topic->feeds[store->subtopology];
    case EVERYTHING:
        return true;
    }
    return false;
}

/* Nothing in the log says of what a store without a changelog is: where the positions are not those of the job that
 * wrote it, it is of before. */
static void empty_stores(const struct weir_start_facts *facts)
{
    for (size_t i = 0; i < facts->store_count; i++) {
        facts->stores[i].is_emptied = true;
    }
}

static void empty_all(const struct weir_start_facts *facts)
{
    empty_stores(facts);
    for (size_t t = 0; t < facts->topic_count; t++) {
        facts->topics[t].is_emptied |= has_data(&facts->topics[t]);
    }
}

static void empty_of(const struct weir_start_facts *facts,
                     const struct weir_start_difference *difference)
{
    for (size_t t = 0; t < facts->topic_count; t++) {
        facts->topics[t].is_emptied |= is_emptied_by(difference, &facts->topics[t]);
    }
    for (size_t i = 0; i < facts->store_count; i++) {
        facts->stores[i].is_emptied |= is_store_emptied_by(difference, &facts->stores[i]);
    }
}

/* Without a commit of ours all is read from its beginning, or from where somebody else was: what a store without a
 * changelog has on the disk is of an application that has been forgotten. Its own folder is all that knows of it. */
static void empty_forgotten(const struct weir_start_facts *facts)
{
    for (size_t i = 0; !facts->has_commit && i < facts->store_count; i++) {
        facts->stores[i].is_emptied = true;
    }
}

/* ---- a choice of a start that was killed ----------------------------------------------------- */

/* That start has written down which topics and stores it empties, and none of them is kept yet. So its choice
 * holds for a difference that empties nothing but these: any other may be a new one. */
static bool is_chosen_already(const struct weir_start_facts *facts,
                              const struct weir_start_difference *difference)
{
    size_t count = 0;
    if (row_of(difference->what)->weight == SINCE) return false;
    if (facts->records->is_rebuilding) return true;
    if (!facts->records->is_emptying) return false;
    for (size_t t = 0; t < facts->topic_count; t++) {
        const struct weir_own_topic *record = facts->topics[t].record;
        if (!is_emptied_by(difference, &facts->topics[t])) continue;
        if (record == NULL || record->phase == WEIR_OWN_TOPIC_KEPT) return false;
        count++;
    }
    for (size_t i = 0; i < facts->store_count; i++) {
        const struct weir_own_store *record = facts->stores[i].record;
        if (!is_store_emptied_by(difference, &facts->stores[i])) continue;
        if (record == NULL || record->phase == WEIR_OWN_STORE_KEPT) return false;
        count++;
    }
    return count > 0;
}

static bool is_all_chosen(const struct weir_start_facts *facts,
                          const struct weir_start_differences *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct weir_start_difference *difference = &found->items[i];
        enum weight weight = row_of(difference->what)->weight;
        bool is_to_choose = weight == CHOOSE || weight == SINCE;
        if (is_to_choose && !is_chosen_already(facts, difference)) return false;
    }
    return true;
}

/* Emptying was chosen at a start that was killed. */
static void empty_begun(const struct weir_start_facts *facts)
{
    for (size_t t = 0; t < facts->topic_count; t++) {
        const struct weir_own_topic *record = facts->topics[t].record;
        bool is_begun = record != NULL && record->phase == WEIR_OWN_TOPIC_EMPTYING;
        facts->topics[t].is_emptied |= is_begun && has_data(&facts->topics[t]);
    }
}

static void empty_chosen(const struct weir_start_facts *facts,
                         const struct weir_start_differences *found, bool has_chosen)
{
    for (size_t i = 0; i < found->count; i++) {
        enum weight weight = row_of(found->items[i].what)->weight;
        bool is_chosen = weight == CHOOSE || weight == SINCE || (weight == HELD && has_chosen);
        if (is_chosen) empty_of(facts, &found->items[i]);
    }
}

int weir_start_decide(const struct weir_start_facts *facts,
                      const struct weir_start_differences *found, enum weir_on_mismatch choice,
                      struct weir_error *error)
{
    bool has_chosen = choice != WEIR_ON_MISMATCH_REFUSE;
    weir_assert(facts->records != NULL);
    bool is_to_rebuild =
        choice == WEIR_ON_MISMATCH_REBUILD || choice == WEIR_ON_MISMATCH_LOSSY_REBUILD;
    size_t since = count_of(found, SINCE);
    size_t to_choose = count_of(found, CHOOSE) + since + (has_chosen ? count_of(found, HELD) : 0);
    if (count_of(found, FINAL) > 0) return refuse(facts, found, FINAL, error);
    if (to_choose > 0 && !has_chosen && !is_all_chosen(facts, found)) {
        return refuse(facts, found, since > 0 ? SINCE : CHOOSE, error);
    }
    /* A rebuild that was chosen at a start that was killed goes on, unless its inputs have lost something. */
    bool goes_on = facts->records->is_rebuilding && since == 0;
    if (goes_on || (to_choose > 0 && is_to_rebuild)) {
        bool has_to_be_whole = !goes_on && choice != WEIR_ON_MISMATCH_LOSSY_REBUILD;
        int rc = has_to_be_whole ? weir_start_refuse_cut(facts, error) : 0;
        if (rc < 0) return rc;
        empty_all(facts);
        return WEIR_START_REBUILD;
    }
    empty_forgotten(facts);
    empty_begun(facts);
    empty_chosen(facts, found, has_chosen);
    if (facts->has_no_run) empty_stores(facts);
    return to_choose > 0 ? WEIR_START_EMPTY : WEIR_START_GO_ON;
}

bool weir_start_reads_again(const struct weir_start_facts *facts, int verdict)
{
    weir_assert(verdict >= 0); /* one that lets the start go on */
    if (verdict == WEIR_START_REBUILD) return true;
    return verdict == WEIR_START_EMPTY && has_no_position(facts);
}
