/* Who is at the other end of the control API's socket. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Checks the peer by SO_PEERCRED: root, this daemon's own user, or of `group`, that of the socket's
 * file; anybody else is ERROR_AUTH. What it does with another method than GET is logged with its
 * user and process. */
int peer_check(int connection_fd, gid_t group, const char *method, const char *url,
               struct error **err) _must_check_;
