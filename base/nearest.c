#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_SIZE_MAX = 64, DISTANCE_MAX = 5 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size > WORD_SIZE_MAX || b_size > WORD_SIZE_MAX) return SIZE_MAX;
    size_t row[WORD_SIZE_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_size];
}

struct weir_nearest weir_nearest_to(const char *word)
{
    return (struct weir_nearest){.word = word, .distance = DISTANCE_MAX + 1};
}

void weir_nearest_offer(struct weir_nearest *nearest, const char *candidate)
{
    size_t found = distance(nearest->word, candidate);
    size_t letters = strlen(nearest->word) + strlen(candidate);
    if (found >= nearest->distance || 4 * found > letters) return; /* half of it is another word */
    nearest->found = candidate;
    nearest->distance = found;
}
