#ifndef WEIR_CLI_RECORD_JSON_H
#define WEIR_CLI_RECORD_JSON_H

#include "cli/record_format.h"

/**
 * One record as a JSON object on stdout, with rpk's names. A null key or value is left out, an empty
 * one is "". Where the topic says what keys or values are they are shown so (typed_print_json), null
 * as null; bytes that are not of that type as "value_hex", with a "value_note" on it.
 */
struct record_json_options {
    bool is_compact;          /* on one line */
    bool is_meta_only;        /* the value's size instead of the value */
    struct weir_buffer *room; /* the caller's, overwritten */
};
/** WEIR_NO_MEMORY: what was printed ends within the record. */
int record_json_print(const struct record_shown *shown, const struct record_json_options *options);

#endif
