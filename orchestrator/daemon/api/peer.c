/* Implements daemon/api/peer.h. The mode of the socket's file has already admitted the peer; this
 * check holds when the mode was widened. */
#include "daemon/api/peer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

enum { GROUPS_MAX = 4096 };

static bool in_supplementary_groups(int connection_fd, gid_t group)
{
        _cleanup_free_ gid_t *groups = xcalloc(GROUPS_MAX, sizeof *groups);
        socklen_t length = GROUPS_MAX * sizeof *groups;
        if (getsockopt(connection_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0)
                return false;
        for (size_t i = 0; i < length / sizeof *groups; i++)
                if (groups[i] == group)
                        return true;
        return false;
}

int peer_check(int connection_fd, gid_t group, const char *method, const char *url,
               struct error **err)
{
        struct ucred peer = { 0 };
        socklen_t length = sizeof peer;
        if (getsockopt(connection_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot determine the peer");
        if (peer.uid != 0 && peer.uid != geteuid() && peer.gid != group &&
            !in_supplementary_groups(connection_fd, group))
                return error_set(
                        err, ERROR_AUTH,
                        "user %u may not use the control API: it is for root and for group %u",
                        (unsigned)peer.uid, (unsigned)group);
        if (strcmp(method, "GET") != 0)
                log_info("%s %s by user %u, process %d", method, url, (unsigned)peer.uid,
                         (int)peer.pid);
        return 0;
}
