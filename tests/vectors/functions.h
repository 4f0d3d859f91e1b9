#ifndef WEIR_TESTS_VECTORS_FUNCTIONS_H
#define WEIR_TESTS_VECTORS_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <weir.h>

/**
 * The functions that the vectors name, over texts (README.md). A null text is a null slice. Results
 * live in the scope of the call; a function that fails gives false.
 */
struct function {
    char word[24]; /* what it is called: "app", "kmod", ... */
    const char *x; /* what is behind the colon; NULL: nothing */
};

/** Whether `text` is one of the words that the tables know. */
bool function_parse(const char *text, struct function *function);
bool function_is_predicate(const struct function *function);
bool function_is_map(const struct function *function);
bool function_is_list(const struct function *function);
bool function_is_fold(const struct function *function);
bool function_is_join(const struct function *function);

bool predicate_apply(const struct function *function, struct weir_slice key,
                     struct weir_slice value, bool *result_out);
bool map_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
               struct weir_slice value, struct weir_slice *result_out);
enum { LIST_MAX = 64 };
bool list_apply(const struct function *function, struct weir_call *call, struct weir_slice value,
                struct weir_slice results[LIST_MAX], int *count_out);
bool fold_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
                struct weir_slice value, struct weir_slice aggregate,
                struct weir_slice *result_out);
bool join_apply(const struct function *function, struct weir_call *call, struct weir_slice key,
                struct weir_slice left, struct weir_slice right, struct weir_slice *result_out);

/** number(x): 0 for null, the integer that it is, else its length. */
int64_t text_number(struct weir_slice text);
struct weir_slice text_printf(struct weir_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** show(x): x, or "_" for null. */
struct weir_slice text_show(struct weir_slice text);

#endif
