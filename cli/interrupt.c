#include "cli/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct interrupt interrupt_open(bool is_wanted)
{
    struct interrupt interrupt = {.fd = -1};
    sigset_t signals;
    if (!is_wanted) return interrupt;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    interrupt.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupt.fd >= 0) (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    return interrupt;
}

void interrupt_close(struct interrupt *interrupt)
{
    if (interrupt->fd >= 0) (void)close(interrupt->fd);
    interrupt->fd = -1;
}

bool interrupt_came(const struct interrupt *interrupt)
{
    struct pollfd ask = {.fd = interrupt->fd, .events = POLLIN};
    return interrupt->fd >= 0 && poll(&ask, 1, 0) > 0;
}

bool interrupt_wait_input(const struct interrupt *interrupt, int input)
{
    struct pollfd ask[2] = {{.fd = interrupt->fd, .events = POLLIN},
                            {.fd = input, .events = POLLIN}};
    while (poll(ask, 2, -1) < 0 && errno == EINTR) {
    }
    return ask[0].revents == 0; /* a descriptor of -1 is never ready */
}

bool interrupt_has_input(int input)
{
    struct pollfd ask = {.fd = input, .events = POLLIN};
    return poll(&ask, 1, 0) > 0;
}
