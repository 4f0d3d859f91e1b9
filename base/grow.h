#ifndef WEIR_BASE_GROW_H
#define WEIR_BASE_GROW_H

#include <stddef.h>

/** What an array of `capacity` elements grows to when it is full: twice as many, `first` (> 0) at first. */
static inline size_t weir_grown(size_t capacity, size_t first)
{
    return capacity == 0 ? first : capacity * 2;
}

/** The same until `wanted` have room. */
static inline size_t weir_grown_to(size_t capacity, size_t wanted, size_t first)
{
    size_t grown = weir_grown(capacity, first);
    while (grown < wanted) {
        grown *= 2;
    }
    return grown;
}

#endif
