/* Who is at the other end of the control API's socket. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Checks the peer by SO_PEERCRED: root, this daemon's own user, or a member of `group`, which is
 * that of the socket's file; any other peer gets ERROR_AUTH. Requests with another method than GET
 * are logged with the user and process. */
int peer_check(int connection_fd, gid_t group, const char *method, const char *url,
               struct error **err) _must_check_;
