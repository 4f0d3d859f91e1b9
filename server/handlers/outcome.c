#include "server/handlers/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weir_outcome weir_outcome_refuse(struct weir_request_context *context,
                                        enum weir_wire_error error, const char *format, ...)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return (struct weir_outcome){
        .error_code = (int16_t)error,
        .message = weir_arena_copy(&context->arena, weir_text(text)),
    };
}

const char *weir_outcome_text(struct weir_request_context *context, const char *text)
{
    const char *path = weir_broker_path(context->broker);
    size_t size = strlen(path);
    const char *found = path[0] == '/' && size > 1 ? strstr(text, path) : NULL;
    while (found != NULL) {
        text = weir_arena_printf(&context->arena, "%.*s<data>%s", (int)(found - text), text,
                                 found + size);
        if (text == NULL) return "";
        found = strstr(text, path);
    }
    return text;
}

struct weir_outcome weir_outcome_of(struct weir_request_context *context,
                                    const struct weir_request *request)
{
    if (request->rc >= 0) return (struct weir_outcome){0};
    bool is_said = request->error.text[0] != '\0';
    const char *text = is_said ? request->error.text : weir_code_text(request->rc);
    return (struct weir_outcome){
        .error_code = weir_wire_error_of(request->rc),
        .message = weir_arena_copy(&context->arena, weir_text(weir_outcome_text(context, text))),
    };
}

struct weir_outcome weir_outcome_too_many(struct weir_request_context *context, const char *what)
{
    return weir_outcome_refuse(context, WEIR_WIRE_INVALID_REQUEST,
                               "more than %d %s in one request; split it", WEIR_SUBJECTS_MAX, what);
}

static int compare_subjects(const struct weir_subject *a, const struct weir_subject *b)
{
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    return weir_slice_compare(a->name, b->name);
}

static int by_subject(const void *a, const void *b)
{
    const struct weir_subject *left = a;
    const struct weir_subject *right = b;
    int order = compare_subjects(left, right);
    if (order != 0) return order;
    return left->index < right->index ? -1 : left->index > right->index;
}

const enum weir_occurrence *weir_subject_occurrences(struct weir_arena *arena,
                                                     struct weir_subject *subjects, size_t count)
{
    enum weir_occurrence *occurrences = weir_arena_array(arena, count + 1, sizeof *occurrences);
    if (occurrences == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        subjects[i].index = i;
    }
    if (count > 0) qsort(subjects, count, sizeof *subjects, by_subject);
    for (size_t i = 0; i < count; i++) {
        bool is_again = i > 0 && compare_subjects(&subjects[i - 1], &subjects[i]) == 0;
        bool is_more = i + 1 < count && compare_subjects(&subjects[i], &subjects[i + 1]) == 0;
        occurrences[subjects[i].index] = is_again  ? WEIR_OCCURS_AGAIN
                                         : is_more ? WEIR_OCCURS_FIRST
                                                   : WEIR_OCCURS_ONCE;
    }
    return occurrences;
}

void weir_outcome_reply(struct weir_request_context *context, const void *response)
{
    if (weir_arena_failed(&context->arena)) {
        weir_context_reply_close(context, "out of memory for the answer");
    } else {
        weir_context_reply(context, response);
    }
}
