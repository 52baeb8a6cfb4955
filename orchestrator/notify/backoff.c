/* Implements notify/backoff.h. */
#include "notify/backoff.h"

int64_t backoff_ms(unsigned attempts, int64_t retry_after_seconds)
{
        int64_t seconds = attempts < 5    ? (int64_t)1 << attempts
                          : attempts < 35 ? 30
                          : attempts < 95 ? 60
                                          : 300;
        return (seconds > retry_after_seconds ? seconds : retry_after_seconds) * 1000;
}
