/* Decides for unpack.c what happens to one member of the archive (unpack-member.c). */
#pragma once

#include <archive_entry.h>

#include "cli/offline/unpack.h"

/* Counts of what was left out, for one warning each at the end. */
struct unpack_tally {
        uint64_t devices;
        uint64_t privileged; /* files that lost their set-user-ID bits or capabilities */
};

enum member_verdict { MEMBER_TAKEN, MEMBER_LEFT_OUT };

/* Renames the member to its name on this machine and removes privileges that the request does not
 * allow. Returns a member_verdict, or -1: ERROR_CORRUPT for an archive that is not the requested
 * one. */
int unpack_member(const struct unpack *unpack, struct archive_entry *entry,
                  struct unpack_tally *tally, struct error **err) _must_check_;

/* Adds a warning for each kind of thing that was left out. */
void unpack_tell(const struct unpack_tally *tally, struct unpack_result *result);
