/* Lines to journald by its own protocol: a datagram of NAME=value lines. Only for log.c. */
#pragma once

#include <stdbool.h>

#include "base/log.h"

/* $ORCH_JOURNAL_SOCKET or /run/systemd/journal/socket; -1 where nobody listens. */
int log_journal_open(void);
/* False when it could not be handed over: journald is gone, or has no room now. Never waits. */
bool log_journal_send(int fd, enum log_level level, const struct log_context *context,
                      const char *line);
