/* What every step on a libssh session needs: waiting for its socket, and the reason of a failure.
 */
#include <poll.h>

#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

enum { LONGEST_WAIT_MS = 1000, LONGEST_REASON = 300 };

bool ssh_session_wait(ssh_session session, int fd, struct deadline deadline)
{
        int left = deadline_left_ms(deadline);
        if (left == 0)
                return false;
        bool writes = ssh_get_poll_flags(session) & SSH_WRITE_PENDING;
        struct pollfd ready = { .fd = fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0)) };
        poll(&ready, 1, left < LONGEST_WAIT_MS ? left : LONGEST_WAIT_MS);
        return true;
}

char *ssh_session_reason(ssh_session session)
{
        const char *text = ssh_get_error(session);
        return str_one_line(str_empty(text) ? "the connection was closed" : text, LONGEST_REASON);
}
