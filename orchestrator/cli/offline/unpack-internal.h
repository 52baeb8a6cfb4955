/* What becomes of one member of the archive (unpack-member.c), for unpack.c. */
#pragma once

#include <archive_entry.h>

#include "cli/offline/unpack.h"

/* What was left out, to be told once at the end. */
struct unpack_tally {
        uint64_t devices;
        uint64_t privileged; /* files whose set-user-ID bits or capabilities were taken off */
};

enum member_verdict { MEMBER_TAKEN, MEMBER_LEFT_OUT };

/* Gives the member the name it has here, and takes off what the request does not allow. Returns a
 * member_verdict, or -1: ERROR_CORRUPT for an archive that is not what was asked for. */
int unpack_member(const struct unpack *unpack, struct archive_entry *entry,
                  struct unpack_tally *tally, struct error **err) _must_check_;

void unpack_tell(const struct unpack_tally *tally, struct unpack_result *result);
