/* Sends log lines to journald by its native protocol: a datagram of NAME=value lines. Only log.c
 * uses it. */
#pragma once

#include <stdbool.h>

#include "base/log.h"

/* Connects to $ORCH_JOURNAL_SOCKET or /run/systemd/journal/socket. Returns the descriptor, or -1
 * when nothing listens there. */
int log_journal_open(void);
/* Returns false when journald does not take the line: it is not running, or its queue is full.
 * Never blocks. */
bool log_journal_send(int fd, enum log_level level, const struct log_context *context,
                      const char *line);
