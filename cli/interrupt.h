#ifndef WEIR_CLI_INTERRUPT_H
#define WEIR_CLI_INTERRUPT_H

#include <stdbool.h>

/**
 * Ctrl-C and SIGTERM as something to ask for, so that a data directory is closed and not dropped.
 * Opened before any thread is, so that all of them inherit the mask.
 */
struct interrupt {
    int fd; /* a signalfd; -1: signals end the program, as ever */
};

struct interrupt interrupt_open(bool is_wanted);
void interrupt_close(struct interrupt *interrupt);
/** Has it come? */
bool interrupt_came(const struct interrupt *interrupt);
/** Wait until `input` has bytes (true), or it has come (false). */
bool interrupt_wait_input(const struct interrupt *interrupt, int input);
/** Has `input` bytes, or its end, right now? */
bool interrupt_has_input(int input);

#endif
