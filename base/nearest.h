#ifndef WEIR_BASE_NEAREST_H
#define WEIR_BASE_NEAREST_H

#include <stddef.h>

/**
 * "Did you mean": of the words offered, the one that is the written one but for a few letters.
 *
 *     struct weir_nearest nearest = weir_nearest_to(key);
 *     for (...) weir_nearest_offer(&nearest, rows[i].key);
 *     nearest.found is it, or NULL
 */
struct weir_nearest {
    const char *word;
    const char *found;
    size_t distance; /* of `found`: letters to insert, drop or change (Levenshtein) */
};

/** Both borrow their words. Words of more than 64 letters are near to none, and so is a word of which
 * more than half the letters, or more than five, would change. */
struct weir_nearest weir_nearest_to(const char *word);
/** Of two that are as near, the one offered first stays. */
void weir_nearest_offer(struct weir_nearest *nearest, const char *candidate);

#endif
