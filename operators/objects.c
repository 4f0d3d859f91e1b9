/* Which kind of thing lies at an address, and does it suit a serde?
 *
 * Both sides are layouts: fields with a kind, an offset and a size. What a serde reads agrees with
 * what lies there if each of its fields finds one of the same kind at the same place, or a place
 * that nobody declared (a member that is not stored, the room behind a slice): of that nothing is
 * known, and it is believed. So the first member of a struct passes for the number it is, and two
 * declarations of one C struct for each other; a text where a number is read does not.
 *
 * One address can be within several things: a key selected from a value is a part of that value.
 * One that agrees is enough.
 */
#include "operators/objects.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "weir/typed.h"

const struct weir_struct_type *weir_serde_struct_type(const struct weir_serde *serde)
{
    bool is_struct =
        serde->serialize == weir_struct_serialize && serde->deserialize == weir_struct_deserialize;
    return is_struct ? serde->context : NULL;
}

const struct weir_struct_type *weir_serde_layout(const struct weir_serde *serde)
{
    static const struct weir_serde *const plain[] = {WEIR_BYTES, WEIR_STRING, WEIR_INT32,
                                                     WEIR_INT64, WEIR_DOUBLE};
    if (serde == NULL) return NULL;
    const struct weir_struct_type *declared = weir_serde_struct_type(serde);
    if (declared != NULL) return declared;
    /* Copies have it, too; but with functions of its own a copy has objects of its own. */
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        bool has_functions =
            serde->serialize == plain[i]->serialize && serde->deserialize == plain[i]->deserialize;
        if (has_functions && serde->context == plain[i]->context) return serde->context;
    }
    return NULL;
}

static bool has_slice(const struct weir_struct_type *layout)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct weir_field *field = &layout->fields[i];
        if (field->kind == WEIR_FIELD_KIND_SLICE) return true;
        if (field->kind == WEIR_FIELD_KIND_STRUCT && has_slice(field->type)) return true;
    }
    return false;
}

bool weir_serde_copies_bytes(const struct weir_serde *serde)
{
    const struct weir_struct_type *layout = weir_serde_layout(serde);
    return layout != NULL && !has_slice(layout);
}

/* ---- layouts --------------------------------------------------------------------------------- */

/* The innermost declared field that covers `offset`, and where it begins; NULL: none. `skip` passes
 * over that many, for the members of a union. */
static const struct weir_field *field_at(const struct weir_struct_type *layout, size_t offset,
                                         size_t *skip, size_t *begin_out)
{
    for (size_t i = 0; i < layout->field_count; i++) {
        const struct weir_field *field = &layout->fields[i];
        if (offset - field->offset >= field->size) continue; /* before it: a huge difference */
        if (field->kind == WEIR_FIELD_KIND_STRUCT) {
            const struct weir_field *inner =
                field_at(field->type, offset - field->offset, skip, begin_out);
            if (inner == NULL) continue;
            *begin_out += field->offset;
            return inner;
        }
        if (*skip > 0) {
            *skip -= 1;
            continue;
        }
        *begin_out = field->offset;
        return field;
    }
    return NULL;
}

static bool has_kind_at(const struct weir_struct_type *layout, size_t offset,
                        enum weir_field_kind kind)
{
    for (size_t nth = 0;; nth++) {
        size_t skip = nth;
        size_t begin = 0;
        const struct weir_field *field = field_at(layout, offset, &skip, &begin);
        if (field == NULL) return nth == 0; /* nobody declared the place */
        if (begin == offset && field->kind == kind) return true;
        /* A slice's size is a number for whoever wants it. */
        bool is_slice_size = field->kind == WEIR_FIELD_KIND_SLICE &&
                             offset == begin + offsetof(struct weir_slice, size);
        if (is_slice_size && kind == WEIR_FIELD_KIND_INT64) return true;
    }
}

/* Whether `declared`, laid over `layout` (of `size` bytes) at `offset`, finds what it reads. */
static bool agrees(const struct weir_struct_type *layout, size_t size, size_t offset,
                   const struct weir_struct_type *declared)
{
    if (declared == layout && offset == 0) return true;
    for (size_t i = 0; i < declared->field_count; i++) {
        const struct weir_field *field = &declared->fields[i];
        size_t at = offset + field->offset;
        if (at + field->size > size) return false;
        bool fits = field->kind == WEIR_FIELD_KIND_STRUCT ? agrees(layout, size, at, field->type)
                                                          : has_kind_at(layout, at, field->kind);
        if (!fits) return false;
    }
    return true;
}

static const char *kind_name(int kind)
{
    static const char *const names[] = {
        [0] = "object",
        [WEIR_FIELD_KIND_BOOL] = "bool",
        [WEIR_FIELD_KIND_INT32] = "int32",
        [WEIR_FIELD_KIND_INT64] = "int64",
        [WEIR_FIELD_KIND_DOUBLE] = "double",
        [WEIR_FIELD_KIND_TEXT] = "char array",
        [WEIR_FIELD_KIND_SLICE] = "slice",
        [WEIR_FIELD_KIND_STRUCT] = "struct",
    };
    bool has_name = kind >= 0 && (size_t)kind < sizeof names / sizeof *names;
    return has_name ? names[kind] : "object";
}

/* ---- new objects ----------------------------------------------------------------------------- */

static size_t kind_size(int kind)
{
    if (kind == WEIR_FIELD_KIND_SLICE) return sizeof(struct weir_slice);
    return kind == WEIR_FIELD_KIND_INT32 ? sizeof(int32_t) : sizeof(int64_t);
}

static bool made_agrees(const struct weir_made *made, const struct weir_struct_type *declared)
{
    const struct weir_field first = {
        .name = "", .kind = (enum weir_field_kind)made->kind, .size = kind_size(made->kind)};
    const struct weir_struct_type layout = {
        .name = "", .size = made->size, .fields = &first, .field_count = made->kind != 0 ? 1 : 0};
    return made->size >= declared->size && agrees(&layout, made->size, 0, declared);
}

/* The note of an object; NULL: it was made elsewhere, or before the last few. */
static const struct weir_made *find_made(const struct weir_scope *scope, const void *object)
{
    for (size_t back = 0; back < WEIR_SCOPE_MADE; back++) {
        const struct weir_made *made = weir_scope_made(scope, back);
        if (made == NULL || made->object == object) return made;
    }
    return NULL;
}

/* ---- the check ------------------------------------------------------------------------------- */

static bool is_plain(const struct weir_struct_type *layout)
{
    return layout->field_count == 1 && layout->fields[0].name[0] == '\0';
}

struct weir_object_side weir_object_side(const struct weir_struct_type *layout, const char *serde,
                                         const char *what)
{
    return (struct weir_object_side){
        .layout = layout,
        .kind = layout != NULL && is_plain(layout) ? (int)layout->fields[0].kind : 0,
        .serde = serde,
        .what = what,
    };
}

static struct weir_object_input input_of(const struct weir_struct_type *layout, const char *what)
{
    return (struct weir_object_input){
        .size = layout != NULL ? layout->size : 0,
        .layout = layout,
        .what = what,
    };
}

void weir_object_check_init(struct weir_object_check *check, struct weir_node *node)
{
    const struct weir_plan_layouts *layouts = &node->plan->layouts;
    weir_assert(node->call.error != NULL);
    *check = (struct weir_object_check){
        .scope = weir_node_scope(node),
        .error = node->call.error,
        .inputs = {input_of(layouts->key_in, "the record's key"),
                   input_of(layouts->value_in, "the record's value"),
                   input_of(layouts->window_in, "the key in the record's windowed key")},
        .is_windowed = layouts->window_in != NULL,
        .key = weir_object_side(layouts->key, layouts->key_serde, "key"),
        .value = weir_object_side(layouts->value, layouts->value_serde, "value"),
    };
}

void weir_object_check_also(struct weir_object_check *check, const struct weir_serde *serde,
                            const char *what)
{
    check->inputs[2] = input_of(weir_serde_layout(serde), what);
    check->is_windowed = false;
}

/* "the record's value (string)", "'merchant' of the record's value (char array)". */
static void describe_input(const struct weir_object_input *input, size_t offset, char *text,
                           size_t size)
{
    size_t skip = 0;
    size_t begin = 0;
    weir_assert(offset < input->size);
    const struct weir_field *field = field_at(input->layout, offset, &skip, &begin);
    if (offset > 0 && field != NULL && field->name[0] != '\0') {
        (void)snprintf(text, size, "'%s' of %s (%s)", field->name, input->what,
                       kind_name((int)field->kind));
    } else {
        (void)snprintf(text, size, "%s (%s)", input->what, input->layout->name);
    }
}

static void describe_made(const struct weir_made *made, char *text, size_t size)
{
    (void)snprintf(text, size, "a new %s of %zu bytes", kind_name(made->kind), made->size);
}

/* "int64 (8 bytes)"; of a copy under another name "cents (int64, 8 bytes)". */
static void describe_serde(const struct weir_object_side *side, char *text, size_t size)
{
    const struct weir_struct_type *declared = side->layout;
    bool is_renamed = is_plain(declared) && side->serde != NULL && side->serde[0] != '\0' &&
                      strcmp(side->serde, declared->name) != 0;
    if (is_renamed) {
        (void)snprintf(text, size, "%s (%s, %zu bytes)", side->serde, declared->name,
                       declared->size);
    } else {
        (void)snprintf(text, size, "%s (%zu bytes)", declared->name, declared->size);
    }
}

int weir_object_check_closely(const struct weir_object_check *check,
                              const struct weir_object_side *side, const void *object)
{
    const struct weir_struct_type *declared = side->layout;
    char origin[128] = "";
    weir_assert(object != NULL && declared != NULL);
    for (size_t i = 0; i < WEIR_OBJECT_INPUTS; i++) {
        const struct weir_object_input *input = &check->inputs[i];
        size_t offset = (size_t)((uintptr_t)object - (uintptr_t)input->object);
        if (offset >= input->size) continue;
        if (agrees(input->layout, input->size, offset, declared)) return 0;
        if (origin[0] == '\0') describe_input(input, offset, origin, sizeof origin);
    }
    const struct weir_made *made = find_made(check->scope, object);
    if (made != NULL && made_agrees(made, declared)) return 0;
    if (made != NULL && origin[0] == '\0') describe_made(made, origin, sizeof origin);
    if (origin[0] == '\0') return 0; /* made elsewhere: believed */
    char serde[128];
    describe_serde(side, serde, sizeof serde);
    return weir_error_set(check->error, WEIR_SERDE,
                          "the %s that the function gave is %s, and its serde is %s: "
                          "declare the serde of what is given, or give what %s takes",
                          side->what, origin, serde, declared->name);
}

/* ---- functions that tell their types --------------------------------------------------------- */

static bool type_fits(const struct weir_type *type, const struct weir_struct_type *layout)
{
    if (type->name == NULL || type->kind == WEIR_KIND_ANY || layout == NULL) return true;
    if (is_plain(layout)) return type->kind == (int)layout->fields[0].kind;
    return type->kind == 0 && type->size == layout->size;
}

int weir_call_check_types(struct weir_call *call, const struct weir_function_types *types)
{
    if (call == NULL || types == NULL) return WEIR_INVALID_ARGUMENT;
    const struct weir_plan_layouts none = {0}; /* called by the user's own test, say */
    const struct weir_plan_layouts *layouts = call->layouts != NULL ? call->layouts : &none;
    const struct {
        const struct weir_type *type;
        const struct weir_struct_type *layout;
        const char *what;
    } sides[] = {
        {&types->key, layouts->key_in, "takes a key"},
        {&types->value, layouts->value_in, "takes a value"},
        {&types->other, layouts->other_in, "takes a table's value"},
        {&types->key_out, layouts->key, "gives a key"},
        {&types->value_out, layouts->value, "gives a value"},
    };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        if (type_fits(sides[i].type, sides[i].layout)) continue;
        return weir_error_set(
            call->error, WEIR_SERDE,
            "the function %s of type %s (%zu bytes), and the serde there is %s (%zu "
            "bytes): declare the function or the serde otherwise",
            sides[i].what, sides[i].type->name, sides[i].type->size, sides[i].layout->name,
            sides[i].layout->size);
    }
    call->types = types;
    return 0;
}
