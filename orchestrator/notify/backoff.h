/* When a delivery that failed is tried again. Pure. */
#pragma once

#include <stdint.h>

/* After this long a message is given up. */
#define BACKOFF_GIVE_UP_SECONDS ((int64_t)24 * 3600)

/* Milliseconds to wait after so many tries that failed (from 1): a few quick ones, then every half
 * minute for a quarter of an hour, every minute for an hour, every five minutes. Never less than
 * the server asked for (`retry_after_seconds`; 0: it did not). */
int64_t backoff_ms(unsigned attempts, int64_t retry_after_seconds);
