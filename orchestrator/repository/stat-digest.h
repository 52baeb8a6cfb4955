/* Whether the files of a point are those that were read back: what stat tells of each, in one
 * digest. It is compared for being the same and never as a time, so that no clock (ours, the
 * share's) has a part in it. As a filesystem's ctime cannot be set by whoever changes a file, what
 * is the same was not written to; that the storage still holds what was written only reading can
 * tell. */
#pragma once

#include "base/error.h"
#include "repository/checksums.h"

/* SHA-256 over name, inode, size, mtime and ctime of each file of `list`, and of checksums.sha256
 * itself, below a point's folder: lower-case hex, the caller frees. NULL with an error when one of
 * them cannot be opened. `path` is for messages. */
char *stat_digest_make(int point_fd, const char *path, const struct checksums *list,
                       struct error **err) _must_check_;
