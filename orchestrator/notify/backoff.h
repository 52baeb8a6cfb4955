/* When a failed delivery is tried again. Pure. */
#pragma once

#include <stdint.h>

/* After this time a message is dropped. */
#define BACKOFF_GIVE_UP_SECONDS ((int64_t)24 * 3600)

/* Milliseconds to wait after `attempts` failed tries (from 1): a few quick ones, then every half
 * minute for a quarter of an hour, every minute for an hour, then every five minutes. Never less
 * than the server's Retry-After (`retry_after_seconds`; 0: none). */
int64_t backoff_ms(unsigned attempts, int64_t retry_after_seconds);
