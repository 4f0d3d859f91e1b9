#include "tools/schema_emit.h"

/* The type's functions take any message; these say which. */
static void emit_type(struct schema *schema, FILE *file)
{
    const char *local_name = schema_root(schema)->local_name;
    fprintf(file, "static void init(void *message)\n{\n    init_%s(message);\n}\n\n", local_name);
    fprintf(file, "static void encode(struct weir_encoder *encoder, const void *message)\n");
    fprintf(file, "{\n    encode_%s(encoder, message);\n}\n\n", local_name);
    fprintf(file, "static void decode(struct weir_decoder *decoder, void *message)\n");
    fprintf(file, "{\n    decode_%s(decoder, message);\n}\n\n", local_name);
    fprintf(file, "static void print(struct weir_buffer *text, const void *message, "
                  "int16_t version)\n");
    fprintf(file, "{\n    print_%s(text, message, version);\n}\n\n", local_name);

    const char *name = schema->symbol;
    fprintf(file, "const struct weir_message_type weir_%s_type = {\n", name);
    fprintf(file, "    .name = \"%s\",\n", schema->name);
    if (schema->api_key != NO_API_KEY) {
        fprintf(file, "    .api_key = %d,\n", schema->api_key);
    } else {
        fprintf(file, "    .api_key = WEIR_NO_API_KEY,\n");
    }
    fprintf(file, "    .version_min = %d,\n", schema->valid.min);
    fprintf(file, "    .version_max = %d,\n", schema->valid.max);
    if (schema_is_ever_flexible(schema)) {
        fprintf(file, "    .flexible_from = %d,\n", schema->flexible.min);
    } else {
        fprintf(file, "    .flexible_from = WEIR_NEVER_FLEXIBLE,\n");
    }
    fprintf(file, "    .struct_size = sizeof(struct weir_%s),\n", name);
    fprintf(file, "    .init = init,\n    .encode = encode,\n    .decode = decode,\n"
                  "    .print = print,\n};\n");
}

void schema_emit_code(struct schema *schema, const char *include, FILE *file)
{
    fprintf(file, "/* Generated from %s: change that, not this. */\n", schema->path);
    fprintf(file, "#include \"%s\"\n\n#include <string.h>\n\n", include);
    fprintf(file, "#include \"wire/message_decode.h\"\n#include \"wire/message_encode.h\"\n");
    fprintf(file, "#include \"wire/message_print.h\"\n\n");
    schema_emit_encoders(schema, file);
    schema_emit_decoders(schema, file);
    schema_emit_printers(schema, file);
    emit_type(schema, file);
}
