#ifndef WEIR_EXPORT_H
#define WEIR_EXPORT_H

/* Marks what leaves the library. Everything else is hidden (tests check the list of exported
 * symbols in tests/house/symbols.txt). */
#if defined(__GNUC__)
#define WEIR_API __attribute__((visibility("default")))
#define WEIR_PRINTF(format_at, first) __attribute__((__format__(__printf__, format_at, first)))
#define WEIR_NODISCARD __attribute__((warn_unused_result))
#else
#define WEIR_API
#define WEIR_PRINTF(format, first)
#define WEIR_NODISCARD
#endif

/* The first member of an options struct. In C it is set by the struct's _INIT macro; in C++, which lacks
 * compound literals and, before C++20, designated initialisers, by the struct itself:
 * `struct weir_log_options options{}; options.num_partitions = 4;` */
#ifdef __cplusplus
#define WEIR_SIZE(type) size_t size = sizeof(type)
#else
#define WEIR_SIZE(type) size_t size
#endif

#endif
