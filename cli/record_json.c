#include "cli/record_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/say.h"

struct layout {
    const char *begin; /* of an object's next field */
    const char *colon;
    const char *inner; /* of a header's */
    const char *end;
};

static void print_text(const struct layout *layout, const char *name, struct weir_slice text)
{
    if (weir_slice_is_null(text)) return;
    printf(",%s\"%s\"%s", layout->begin, name, layout->colon);
    say_json_text(stdout, text);
}

/* Bytes that are not what the topic says are shown all the same. */
static int print_misfit(const struct layout *layout, const char *name, struct weir_slice bytes,
                        struct weir_buffer *room)
{
    typed_print_hex(bytes, room);
    if (room->failed) return WEIR_NO_MEMORY;
    printf(",%s\"%s_hex\"%s\"", layout->begin, name, layout->colon);
    (void)fwrite(room->data, 1, room->size, stdout);
    printf("\",%s\"%s_note\"%s\"not as weir.%s.format says\"", layout->begin, name, layout->colon,
           name);
    return 0;
}

static int print_bytes(const struct layout *layout, const char *name, struct weir_slice bytes,
                       const struct weir_data_type *type, struct weir_buffer *room)
{
    if (type == NULL) {
        print_text(layout, name, bytes);
        return 0;
    }
    weir_buffer_reset(room);
    bool is_of_type = typed_print_json(type, bytes, room);
    if (room->failed) return WEIR_NO_MEMORY;
    if (!is_of_type) return print_misfit(layout, name, bytes, room);
    printf(",%s\"%s\"%s", layout->begin, name, layout->colon);
    (void)fwrite(room->data, 1, room->size, stdout);
    return 0;
}

static void print_headers(const struct layout *layout, const struct weir_record *record)
{
    if (record->header_count == 0) return;
    printf(",%s\"headers\"%s[", layout->begin, layout->colon);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *header = &record->headers[i];
        printf("%s%s{\"key\"%s", i == 0 ? "" : ",", layout->inner, layout->colon);
        say_json_text(stdout, header->key);
        if (!weir_slice_is_null(header->value)) {
            printf(",%s\"value\"%s", layout->colon[1] != '\0' ? " " : "", layout->colon);
            say_json_text(stdout, header->value);
        }
        (void)putchar('}');
    }
    printf("%s]", layout->begin);
}

int record_json_print(const struct record_shown *shown, const struct record_json_options *options)
{
    static const struct layout pretty = {"\n  ", ": ", "\n    ", "\n}\n"};
    static const struct layout compact = {"", ":", "", "}\n"};
    const struct layout *layout = options->is_compact ? &compact : &pretty;
    const struct weir_record *record = shown->record;
    printf("{%s\"topic\"%s", layout->begin, layout->colon);
    say_json_text(stdout, weir_text(shown->topic));
    int rc = print_bytes(layout, "key", record->key, shown->key_type, options->room);
    if (rc < 0) return rc;
    if (options->is_meta_only) {
        printf(",%s\"value_size\"%s%zu", layout->begin, layout->colon, record->value.size);
    } else {
        rc = print_bytes(layout, "value", record->value, shown->value_type, options->room);
    }
    if (rc < 0) return rc;
    print_headers(layout, record);
    printf(",%s\"timestamp\"%s%" PRId64, layout->begin, layout->colon, record->timestamp_ms);
    printf(",%s\"partition\"%s%d", layout->begin, layout->colon, (int)shown->partition);
    printf(",%s\"offset\"%s%" PRId64, layout->begin, layout->colon, record->offset);
    (void)fputs(layout->end, stdout);
    return 0;
}
