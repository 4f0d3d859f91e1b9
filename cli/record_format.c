/** The text of a format becomes its pieces. */
#include "cli/record_format.h"

#include <string.h>

#include "base/error.h"
#include "cli/no_memory.h"

enum modifiers { TAKES_NONE, TAKES_TEXT, TAKES_NUMBER, TAKES_TIME, TAKES_ATTRIBUTE, TAKES_HEADER };

static const struct {
    char letter;
    enum format_verb verb;
    enum modifiers takes;
} verbs[] = {
    {'t', FORMAT_TOPIC, TAKES_TEXT},
    {'T', FORMAT_TOPIC_SIZE, TAKES_NUMBER},
    {'k', FORMAT_KEY, TAKES_TEXT},
    {'K', FORMAT_KEY_SIZE, TAKES_NUMBER},
    {'v', FORMAT_VALUE, TAKES_TEXT},
    {'V', FORMAT_VALUE_SIZE, TAKES_NUMBER},
    {'h', FORMAT_HEADERS, TAKES_HEADER},
    {'H', FORMAT_HEADER_COUNT, TAKES_NUMBER},
    {'p', FORMAT_PARTITION, TAKES_NUMBER},
    {'o', FORMAT_OFFSET, TAKES_NUMBER},
    {'e', FORMAT_LEADER_EPOCH, TAKES_NUMBER},
    {'d', FORMAT_TIMESTAMP, TAKES_TIME},
    {'a', FORMAT_ATTRIBUTE, TAKES_ATTRIBUTE},
    {'x', FORMAT_PRODUCER_ID, TAKES_NUMBER},
    {'y', FORMAT_PRODUCER_EPOCH, TAKES_NUMBER},
    {'[', FORMAT_LOG_START, TAKES_NUMBER},
    {'|', FORMAT_LAST_STABLE, TAKES_NUMBER},
    {']', FORMAT_HIGH_WATERMARK, TAKES_NUMBER},
    {'i', FORMAT_RECORD_NUMBER, TAKES_NUMBER},
};

static const struct {
    const char *name;
    enum format_number number;
    int width;
} numbers[] = {
    {"ascii", FORMAT_ASCII, 0},      {"hex64", FORMAT_HEX_DIGITS, 16},
    {"hex32", FORMAT_HEX_DIGITS, 8}, {"hex16", FORMAT_HEX_DIGITS, 4},
    {"hex8", FORMAT_HEX_DIGITS, 2},  {"hex4", FORMAT_HEX_DIGITS, 1},
    {"big64", FORMAT_BIG, 8},        {"big32", FORMAT_BIG, 4},
    {"big16", FORMAT_BIG, 2},        {"big8", FORMAT_BIG, 1},
    {"little64", FORMAT_LITTLE, 8},  {"little32", FORMAT_LITTLE, 4},
    {"little16", FORMAT_LITTLE, 2},  {"little8", FORMAT_LITTLE, 1},
    {"byte", FORMAT_BIG, 1},         {"bool", FORMAT_BOOL, 0},
};

static const struct {
    const char *name;
    enum format_text text;
} texts[] = {{"hex", FORMAT_HEX}, {"base64", FORMAT_BASE64}, {"base64raw", FORMAT_BASE64_RAW}};

static const struct {
    const char *name;
    enum format_attribute attribute;
} attributes[] = {
    {"compression", FORMAT_COMPRESSION},
    {"timestamp-type", FORMAT_TIMESTAMP_TYPE},
    {"transactional-bit", FORMAT_TRANSACTIONAL_BIT},
    {"control-bit", FORMAT_CONTROL_BIT},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

enum { PIECES_MAX = 256 };

struct parse {
    const char *text; /* the whole of it, for messages */
    const char *at;
    const char *end;
    struct weir_arena *arena;
    struct weir_error *error;
    int depth; /* 1: within %h{…} */
    struct format_piece pieces[PIECES_MAX];
    size_t count;
    char *literal; /* room for the whole text; the next literal begins at literal + literal_from */
    size_t literal_from;
    size_t literal_size;
};

static int fail(const struct parse *parse, const char *at, const char *what)
{
    return weir_error_set(parse->error, WEIR_INVALID_ARGUMENT, "format '%s', at character %zu: %s",
                          parse->text, (size_t)(at - parse->text) + 1, what);
}

static bool is_word(struct weir_slice text, const char *word)
{
    return weir_slice_equal(text, weir_text(word));
}

/* ---- modifiers ------------------------------------------------------------------------------- */

static int take_number(struct parse *parse, struct weir_slice word, struct format_piece *piece)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (!is_word(word, numbers[i].name)) continue;
        piece->number = numbers[i].number;
        piece->width = numbers[i].width;
        return 0;
    }
    int width = 0;
    for (size_t i = 0; i < word.size && i < 4; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') width = -10000;
        width = 10 * width + (word.data[i] - '0');
    }
    if (width < 1 || width > 18 || word.size > 2) {
        return fail(
            parse, parse->at,
            "a number takes ascii, hex4 to hex64, big8 to big64, little8 to little64, byte, "
            "bool");
    }
    piece->number = FORMAT_DIGITS;
    piece->width = width;
    return 0;
}

static int take_text(struct parse *parse, struct weir_slice word, struct format_piece *piece)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!is_word(word, texts[i].name)) continue;
        piece->text = texts[i].text;
        return 0;
    }
    if (word.size == 0) {
        bool is_of_record = parse->depth == 0 && piece->verb != FORMAT_TOPIC;
        piece->text = FORMAT_BY_TOPIC;
        return is_of_record ? 0
                            : fail(parse, parse->at,
                                   "only a record's key and value have a type that the topic "
                                   "names: %k{}, %v{}");
    }
    struct weir_error reason;
    int rc = weir_data_type_parse(word, parse->arena, &piece->typed, &reason);
    if (rc == WEIR_NOT_FOUND) {
        (void)weir_error_set(&reason, WEIR_INVALID_ARGUMENT,
                             "a text takes hex, base64, base64raw or a type: %s",
                             weir_data_type_right);
    }
    piece->text = FORMAT_TYPED;
    return rc < 0 ? fail(parse, parse->at, reason.text) : 0;
}

/* What is behind `strftime` or `go`: the layout in brackets, or in as many '#' as it needs. */
static int take_layout(struct parse *parse, struct weir_slice rest, struct format_piece *piece)
{
    static const char closers[] = "[]{}##";
    while (rest.size >= 2) {
        const char *opener = strchr(closers, rest.data[0]);
        char closer = rest.data[0] == '[' ? ']' : rest.data[0] == '{' ? '}' : '#';
        if (opener == NULL || rest.data[0] == ']' || rest.data[0] == '}' ||
            rest.data[rest.size - 1] != (uint8_t)closer) {
            break;
        }
        rest = weir_slice(rest.data + 1, rest.size - 2);
        if (closer != '#') break; /* brackets wrap once */
    }
    if (rest.size == 0) return fail(parse, parse->at, "a time needs a layout: strftime[%F %T]");
    const char *layout = weir_arena_printf(parse->arena, "%.*s", (int)rest.size, rest.data);
    piece->literal = weir_text(layout);
    return 0;
}

static int take_time(struct parse *parse, struct weir_slice word, struct format_piece *piece)
{
    static const struct {
        const char *name;
        enum format_time time;
    } kinds[] = {{"strftime", FORMAT_STRFTIME}, {"go", FORMAT_GO}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t size = strlen(kinds[i].name);
        if (word.size <= size || memcmp(word.data, kinds[i].name, size) != 0) continue;
        piece->time = kinds[i].time;
        return take_layout(parse, weir_slice(word.data + size, word.size - size), piece);
    }
    return take_number(parse, word, piece);
}

static int take_attribute(struct parse *parse, struct weir_slice word, struct format_piece *piece)
{
    const uint8_t *semicolon = memchr(word.data, ';', word.size);
    size_t size = semicolon != NULL ? (size_t)(semicolon - word.data) : word.size;
    for (size_t i = 0; i < COUNT(attributes); i++) {
        if (!is_word(weir_slice(word.data, size), attributes[i].name)) continue;
        piece->attribute = attributes[i].attribute;
        piece->is_name = piece->attribute == FORMAT_COMPRESSION && semicolon == NULL;
        if (semicolon == NULL) return 0;
        return take_number(parse, weir_slice(semicolon + 1, word.size - size - 1), piece);
    }
    return fail(parse, parse->at,
                "%a takes {compression}, {timestamp-type}, {transactional-bit} or {control-bit}");
}

static int parse_pieces(struct parse *parse);

static int take_header(struct parse *parse, struct weir_slice inner, struct format_piece *piece)
{
    struct parse *nested = weir_arena_alloc_zero(parse->arena, sizeof *nested);
    if (nested == NULL) return weir_error_set(parse->error, WEIR_NO_MEMORY, "out of memory");
    nested->text = parse->text;
    nested->at = (const char *)inner.data;
    nested->end = nested->at + inner.size;
    nested->arena = parse->arena;
    nested->error = parse->error;
    nested->depth = parse->depth + 1;
    int rc = parse_pieces(nested);
    piece->header = nested->pieces;
    piece->header_count = nested->count;
    return rc;
}

static int take_modifier(struct parse *parse, enum modifiers takes, struct weir_slice word,
                         struct format_piece *piece)
{
    switch (takes) {
    case TAKES_NONE:
        break;
    case TAKES_TEXT:
        return take_text(parse, word, piece);
    case TAKES_NUMBER:
        return take_number(parse, word, piece);
    case TAKES_TIME:
        return take_time(parse, word, piece);
    case TAKES_ATTRIBUTE:
        return take_attribute(parse, word, piece);
    case TAKES_HEADER:
        return take_header(parse, word, piece);
    }
    return fail(parse, parse->at, "this verb takes no braces");
}

/* The end of the braces that open at `at`; NULL if they stay open. `%{` and `%}` are no braces. */
static const char *closing_brace(const char *at, const char *end)
{
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '%' && at + 1 < end && (at[1] == '{' || at[1] == '}' || at[1] == '%')) {
            at++;
            continue;
        }
        if (*at == '{') depth++;
        if (*at == '}' && --depth == 0) return at;
    }
    return NULL;
}

static int parse_braces(struct parse *parse, enum modifiers takes, struct format_piece *piece)
{
    if (parse->at == parse->end || *parse->at != '{') {
        if (takes == TAKES_HEADER) return fail(parse, parse->at, "%h needs braces: %h{%k=%v }");
        if (takes == TAKES_ATTRIBUTE) return take_attribute(parse, weir_text("?"), piece);
        return 0;
    }
    const char *close = closing_brace(parse->at, parse->end);
    if (close == NULL) return fail(parse, parse->at, "this brace is never closed");
    struct weir_slice word = weir_slice(parse->at + 1, (size_t)(close - parse->at) - 1);
    int rc = take_modifier(parse, takes, word, piece);
    parse->at = close + 1;
    return rc;
}

/* ---- verbs, escapes, literals ---------------------------------------------------------------- */

static int add(struct parse *parse, const struct format_piece *piece)
{
    if (parse->count == PIECES_MAX) return fail(parse, parse->at, "the format is too long");
    parse->pieces[parse->count++] = *piece;
    return 0;
}

static void add_byte(struct parse *parse, char byte)
{
    parse->literal[parse->literal_from + parse->literal_size++] = byte;
}

static int end_literal(struct parse *parse)
{
    if (parse->literal_size == 0) return 0;
    struct format_piece piece = {
        .verb = FORMAT_LITERAL,
        .literal = weir_slice(parse->literal + parse->literal_from, parse->literal_size),
    };
    parse->literal_from += parse->literal_size;
    parse->literal_size = 0;
    return add(parse, &piece);
}

static bool is_of_a_header(enum format_verb verb)
{
    return verb == FORMAT_KEY || verb == FORMAT_KEY_SIZE || verb == FORMAT_VALUE ||
           verb == FORMAT_VALUE_SIZE;
}

/* Behind the percent sign. */
static int parse_verb(struct parse *parse)
{
    const char *at = parse->at;
    if (at == parse->end) return fail(parse, at, "a percent sign at the end; %% prints one");
    if (*at == '%' || *at == '{' || *at == '}') {
        add_byte(parse, *at);
        parse->at++;
        return 0;
    }
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (verbs[i].letter != *at) continue;
        struct format_piece piece = {.verb = verbs[i].verb};
        if (parse->depth > 0 && !is_of_a_header(piece.verb)) {
            return fail(parse, at, "within %h{} there are %k, %v, %K and %V");
        }
        int rc = end_literal(parse);
        parse->at++;
        if (rc == 0) rc = parse_braces(parse, verbs[i].takes, &piece);
        return rc < 0 ? rc : add(parse, &piece);
    }
    return fail(parse, at, "unknown verb behind the percent sign; 'weir help consume' lists them");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Behind the backslash. */
static int parse_escape(struct parse *parse)
{
    static const char letters[] = "tnr\\";
    static const char bytes[] = "\t\n\r\\";
    const char *at = parse->at;
    const char *found = at < parse->end ? strchr(letters, *at) : NULL;
    if (found != NULL && *at != '\0') {
        add_byte(parse, bytes[found - letters]);
        parse->at++;
        return 0;
    }
    if (parse->end - at >= 3 && *at == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        add_byte(parse, (char)(hex_digit(at[1]) * 16 + hex_digit(at[2])));
        parse->at += 3;
        return 0;
    }
    return fail(parse, at,
                "behind a backslash comes t, n, r, another backslash, or x and two digits");
}

static int parse_pieces(struct parse *parse)
{
    size_t size = (size_t)(parse->end - parse->at);
    parse->literal = weir_arena_alloc(parse->arena, size + 1);
    if (parse->literal == NULL) {
        return weir_error_set(parse->error, WEIR_NO_MEMORY, "out of memory");
    }
    int rc = 0;
    while (rc == 0 && parse->at < parse->end) {
        char c = *parse->at++;
        if (c == '%') {
            rc = parse_verb(parse);
        } else if (c == '\\') {
            rc = parse_escape(parse);
        } else {
            add_byte(parse, c);
        }
    }
    return rc < 0 ? rc : end_literal(parse);
}

/* Headers have no such pieces. */
static bool asks_topic(const struct parse *parse)
{
    for (size_t i = 0; i < parse->count; i++) {
        if (parse->pieces[i].text == FORMAT_BY_TOPIC) return true;
    }
    return false;
}

int record_format_parse(const char *text, struct weir_arena *arena,
                        struct record_format *format_out, struct weir_error *error)
{
    struct parse *parse = weir_arena_alloc_zero(arena, sizeof *parse);
    if (parse == NULL) return cli_no_memory(error);
    parse->text = text;
    parse->at = text;
    parse->end = text + strlen(text);
    parse->arena = arena;
    parse->error = error;
    int rc = parse_pieces(parse);
    if (rc < 0) return rc;
    if (weir_arena_failed(arena)) return cli_no_memory(error);
    *format_out = (struct record_format){parse->pieces, parse->count, asks_topic(parse)};
    return 0;
}
