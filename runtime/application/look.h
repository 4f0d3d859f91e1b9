#ifndef WEIR_RUNTIME_APPLICATION_LOOK_H
#define WEIR_RUNTIME_APPLICATION_LOOK_H

#include "runtime/application/app_records.h"

/** `arena`, `source` and `id` of a zeroed one are set, the rest is given. Reads only.
 *
 * Errors: WEIR_CORRUPT (the topic of the records is somebody else's), WEIR_NO_MEMORY, those of the source. What is
 *         wrong with a partition is no error but what a start would end with.
 */
int weir_app_look(struct weir_app *app, struct weir_error *error);

/** There is an application of this name: its records, its commit, or a group of its own. */
bool weir_app_exists(const struct weir_app *app);
/**
 * Topics among `names` that look like internal ones of an application of this id (`<id>-...-changelog`,
 * `<id>-...-repartition`), are there, and are named neither by its own records nor by those of another application:
 * whom a Kafka Streams application of this id may have left them. In the application's arena.
 */
int weir_app_find_strangers(struct weir_app *app, const char *const *names, size_t name_count,
                            const struct weir_start_topic ***strangers_out, size_t *count_out,
                            struct weir_error *error);

#endif
