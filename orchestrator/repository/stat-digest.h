/* Whether a point's files are unchanged since they were verified: one digest over the stat data of
 * each. The times in it are only compared for equality, so no clock (of this host or of the share)
 * matters. A program that changes a file cannot set its ctime, so a file with the same ctime was
 * not written to. Whether the storage still holds the same bytes can only be found by reading them.
 */
#pragma once

#include "base/error.h"
#include "repository/checksums.h"

/* SHA-256 over name, inode, size, mtime and ctime of each file of `list`, and of checksums.sha256
 * itself, in a point's folder. Returns lower-case hex, which the caller frees. NULL with an error
 * when one of them cannot be opened. `path` is for messages. */
char *stat_digest_make(int point_fd, const char *path, const struct checksums *list,
                       struct error **err) _must_check_;
