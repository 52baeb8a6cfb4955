/* lab-wait-port: returns once a host is connected to the virtio port that is its standard input.
 *
 * A read of such a port returns at once while nobody is connected, and poll() says "hung up": what
 * waits for a host would have to try again and again, on an emulated processor. The kernel sends
 * SIGIO when a host connects. Every few seconds it looks all the same. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
        static const struct timespec patience = { .tv_sec = 5 };
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGIO);
        sigprocmask(SIG_BLOCK, &wanted, NULL);
        fcntl(STDIN_FILENO, F_SETOWN, getpid());
        fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_ASYNC);
        for (;;) {
                struct pollfd port = { .fd = STDIN_FILENO, .events = POLLIN };
                if (poll(&port, 1, 0) <= 0 || !(port.revents & POLLHUP))
                        return 0;
                sigtimedwait(&wanted, NULL, &patience);
        }
}
