/* Notifications to a service manager (sd_notify(3)): a datagram to $NOTIFY_SOCKET. Does nothing
 * where that is not set. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

/* One or more lines like "READY=1" or "STATUS=…". Never blocks; a failure is ignored. */
void sd_notify_send(const char *state);
void sd_notify_status(const char *format, ...) _printf_(1, 2);
/* Every how many milliseconds WATCHDOG=1 is due (half of $WATCHDOG_USEC); 0: never. */
int64_t sd_notify_watchdog_ms(void);
