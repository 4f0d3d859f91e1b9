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

/*
 * The first member of an options struct: how many bytes it has in the program that fills it in, so that
 * it can grow and program and library need not be of the same version.
 *
 *   C     `struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT, .num_partitions = 4};` and the same
 *         as a literal, `&(struct weir_listen_options){WEIR_LISTEN_OPTIONS_INIT, .address = "[::1]:0"}`
 *   C++   `struct weir_log_options options{}; options.num_partitions = 4;`, or from C++20 on
 *         `struct weir_log_options options{.num_partitions = 4};`: the struct sets its size itself (the
 *         _INIT macro goes with the latter too; GCC's -Wextra names what is left out, as in all structs)
 *
 * A member that is 0 (or NULL, or false) has its default, which its comment names; where 0 would mean
 * something of its own, a constant says it (WEIR_CACHE_OFF). New members come behind all others, and
 * behind what the compiler pads them with: an older program leaves that as it is.
 *
 * An older program's struct is shorter: the members it does not have are 0. A newer program's is
 * longer: what lies beyond ours must be 0, else the call is refused (WEIR_UNSUPPORTED_VERSION) and the
 * text has both sizes. A size that was never set is refused (WEIR_INVALID_ARGUMENT) and the text says
 * which macro sets it; it is not taken for that of the first version, as members of later ones would
 * then be dropped without a word. In weir_materialized both are said by weir_build, as all mistakes in
 * a topology are (WEIR_INVALID_TOPOLOGY). NULL instead of options is all defaults, where a call can do
 * with that.
 */
#ifdef __cplusplus
#define WEIR_SIZE(type) size_t size = sizeof(type)
#else
#define WEIR_SIZE(type) size_t size
#endif

#endif
