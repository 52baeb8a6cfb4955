/* Implements transports/ssh/network-connect.h. getaddrinfo() cannot be interrupted, so a name is
 * resolved in a thread that can be left behind; numeric addresses need no thread. */
#include "transports/ssh/network-connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "transports/service-thread.h"

enum { PEER_TIMEOUT_MS = 20000, PROBE_SECONDS = 5, PROBES = 3 };

struct lookup {
        struct service_call call;
        char *address;
        char port[8];
        int flags;
        int result;
        int errnum;
        struct addrinfo *addresses;
};

static void lookup_free(struct service_call *call)
{
        struct lookup *lookup = (struct lookup *)call;
        if (lookup->addresses)
                freeaddrinfo(lookup->addresses);
        free(lookup->address);
        free(lookup);
}

static void lookup_unrefp(struct lookup **lookup)
{
        if (*lookup)
                service_call_unref(&(*lookup)->call);
}

static void lookup_run(struct service_call *call, void *context _unused_)
{
        struct lookup *lookup = (struct lookup *)call;
        struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_NUMERICSERV | lookup->flags };
        lookup->result = getaddrinfo(lookup->address, lookup->port, &hints, &lookup->addresses);
        lookup->errnum = errno;
}

static int resolve_name(struct lookup *lookup, struct deadline deadline, struct error **err)
{
        _cleanup_(service_thread_freep) struct service_thread *service =
                service_thread_new(NULL, NULL, err);
        if (!service)
                return -1;
        lookup->flags = AI_ADDRCONFIG;
        if (!service_thread_run(service, &lookup->call, deadline_left_ms(deadline)))
                return error_set(err, ERROR_TIMEOUT,
                                 "cannot resolve the name: the resolver gave no answer in time");
        if (lookup->result == EAI_SYSTEM)
                return error_set_errno(err, ERROR_UNREACHABLE, lookup->errnum,
                                       "cannot resolve the name");
        if (lookup->result != 0)
                return error_set(err, ERROR_UNREACHABLE, "cannot resolve the name: %s",
                                 gai_strerror(lookup->result));
        return 0;
}

static struct lookup *resolve_address(const char *address, unsigned port, struct deadline deadline,
                                      struct error **err)
{
        struct lookup *lookup = xcalloc(1, sizeof *lookup);
        service_call_init(&lookup->call, lookup_run, lookup_free);
        lookup->address = xstrdup(address);
        snprintf(lookup->port, sizeof lookup->port, "%u", port % 65536);
        lookup->flags = AI_NUMERICHOST;
        lookup_run(&lookup->call, NULL);
        if (lookup->result != 0 && resolve_name(lookup, deadline, err) < 0) {
                service_call_unref(&lookup->call);
                return NULL;
        }
        return lookup;
}

/* Sets keepalives, so that a peer whose host or network is gone is detected within PEER_TIMEOUT_MS.
 */
static void watch_peer(int fd)
{
        int on = 1, idle = PROBE_SECONDS, interval = PROBE_SECONDS, count = PROBES,
            user_timeout = PEER_TIMEOUT_MS;
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Returns a connected socket, or -1 with *ret_errnum. */
static int connect_one(const struct addrinfo *address, struct deadline deadline, int *ret_errnum)
{
        _cleanup_close_ int fd =
                socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int errnum = fd < 0 ? errno : 0;
        if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) < 0)
                errnum = errno;
        while (errnum == EINPROGRESS || errnum == EINTR) {
                struct pollfd ready = { .fd = fd, .events = POLLOUT };
                int r = poll(&ready, 1, deadline_left_ms(deadline));
                if (r == 0)
                        errnum = ETIMEDOUT;
                else if (r < 0)
                        errnum = errno;
                else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum,
                                    &(socklen_t){ sizeof errnum }) < 0)
                        errnum = errno;
        }
        *ret_errnum = errnum;
        return errnum == 0 ? TAKE_FD(fd) : -1;
}

int network_connect(const char *address, unsigned port, struct deadline deadline,
                    struct error **err)
{
        _cleanup_(lookup_unrefp) struct lookup *lookup =
                resolve_address(address, port, deadline, err);
        if (!lookup)
                return -1;
        int untried = 0;
        for (const struct addrinfo *a = lookup->addresses; a; a = a->ai_next)
                untried++;
        int errnum = EADDRNOTAVAIL;
        for (const struct addrinfo *a = lookup->addresses; a; a = a->ai_next, untried--) {
                int fd = connect_one(a, deadline_in_ms(deadline_left_ms(deadline) / untried),
                                     &errnum);
                if (fd >= 0) {
                        watch_peer(fd);
                        return fd;
                }
        }
        return error_set_errno(err, ERROR_UNREACHABLE, errnum, "cannot connect to port %u", port);
}
