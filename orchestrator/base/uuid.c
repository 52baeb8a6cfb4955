/* Implements base/uuid.h. */
#include "base/uuid.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/memory.h"

char *uuid_new(struct error **err)
{
        uint8_t b[16];
        if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b) {
                error_set_errno(err, ERROR_INTERNAL, errno,
                                "cannot get random bytes for a new UUID");
                return NULL;
        }
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        return xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                         b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                         b[12], b[13], b[14], b[15]);
}
