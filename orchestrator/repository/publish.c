/* staging_publish(): the one way from staging to a restore point (P3).
 *
 * First the folder is walked and compared with the hashes: a file that was not verified, a file
 * that has changed since, or anything but a regular file is refused. Then everything is made
 * durable, from the files up to the root, and only then renamed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "repository/share-files.h"
#include "repository/staging-internal.h"
#include "repository/stat-digest.h"
#include "schema/records/metadata.h"

enum { MAX_DEPTH = 8, POINT_MODE = 0750, HYPERVISOR_FILE_MODE = 0600 };

static int refuse_unverified(const struct staging *staging, const char *name, const char *why,
                             struct error **err)
{
        return error_set(err, ERROR_REFUSED, "%s/%s is not published: %s", staging->path, name,
                         why);
}

static int judge_file(const struct staging *staging, const char *name, const struct stat *st,
                      size_t *seen, struct error **err)
{
        if (streq(name, CHECKSUMS_NAME) || streq(name, POINT_STATE_NAME))
                return 0;
        const struct checksum *known = checksums_find(&staging->checksums, name);
        if (!known)
                return refuse_unverified(staging, name, "it was never hashed", err);
        struct stat hashed = { .st_ino = known->inode,
                               .st_size = (off_t)known->bytes,
                               .st_mtim = known->modified };
        if (!stat_is_same_content(&hashed, st))
                return refuse_unverified(staging, name, "it has changed since it was hashed", err);
        (*seen)++;
        return 0;
}

static int settle_file(const struct staging *staging, int dir_fd, const char *base,
                       const char *name, size_t *seen, struct error **err)
{
        struct stat st;
        _cleanup_close_ int fd =
                openat(dir_fd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s/%s",
                                       staging->path, name);
        if (judge_file(staging, name, &st, seen, err) < 0)
                return -1;
        /* A disk holds private data, and the hypervisor created the file with its own umask. */
        if (!strv_contains(staging->own_files, name) &&
            (st.st_mode & 07777) != HYPERVISOR_FILE_MODE && fchmod(fd, HYPERVISOR_FILE_MODE) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot make %s/%s private (orch and the hypervisors must "
                                       "access the share as the same uid)",
                                       staging->path, name);
        if (fsync(fd) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot fsync %s/%s",
                                       staging->path, name);
        return 0;
}

static int settle_folder(const struct staging *staging, int dir_fd, const char *folder, int depth,
                         size_t *seen, struct error **err);

static int settle_entry(const struct staging *staging, int dir_fd, const char *base,
                        const char *name, int depth, size_t *seen, struct error **err)
{
        struct stat st;
        if (fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s/%s",
                                       staging->path, name);
        if (S_ISREG(st.st_mode))
                return settle_file(staging, dir_fd, base, name, seen, err);
        if (!S_ISDIR(st.st_mode))
                return refuse_unverified(staging, name, "it is neither a regular file nor a folder",
                                         err);
        if (depth >= MAX_DEPTH)
                return refuse_unverified(staging, name, "it is nested too deeply", err);
        _cleanup_close_ int fd = fs_open_dir_at(dir_fd, base, err);
        return fd < 0 ? -1 : settle_folder(staging, fd, name, depth + 1, seen, err);
}

static int settle_folder(const struct staging *staging, int dir_fd, const char *folder, int depth,
                         size_t *seen, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        if (share_list(dir_fd, staging->path, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                /* The NFS client gives this name to a file that is deleted but still open; it
                 * disappears by itself. */
                if (str_starts_with(names[i], ".nfs"))
                        continue;
                _cleanup_free_ char *name =
                        folder ? path_join(folder, names[i]) : xstrdup(names[i]);
                if (settle_entry(staging, dir_fd, names[i], name, depth, seen, err) < 0)
                        return -1;
        }
        if (fchmod(dir_fd, POINT_MODE) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot set the mode of %s",
                                       staging->path);
        return fs_sync_dir(dir_fd, staging->path, err);
}

static int check_list_is_current(const struct staging *staging, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *written =
                share_read_file(staging->dir_fd, CHECKSUMS_NAME, CHECKSUMS_MAX_BYTES, NULL, &error);
        if (!written && error->errnum == ENOENT)
                return refuse_unverified(staging, CHECKSUMS_NAME, "it was never written", err);
        if (!written)
                return error_propagate(err, TAKE_PTR(error));
        _cleanup_free_ char *current = checksums_format(&staging->checksums);
        if (staging->checksums.count == 0 || !streq(written, current))
                return refuse_unverified(staging, CHECKSUMS_NAME,
                                         "it is not the list of the hashed files", err);
        return 0;
}

static int rename_to_point(struct staging *staging, const char *point, struct error **err)
{
        if (share_rename_new(staging->vm_fd, staging->folder, point) == 0)
                return 0;
        int errnum = errno;
        /* When the server's answer is lost, the client repeats the rename and gets an error
         * although the first one succeeded. */
        struct stat ours;
        struct stat there;
        if (fstat(staging->dir_fd, &ours) == 0 &&
            fstatat(staging->vm_fd, point, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
                return 0;
        if (errnum == EEXIST)
                return error_set(err, ERROR_REFUSED,
                                 "%s/%s already has a restore point %s; nothing was published",
                                 staging->hypervisor, staging->vm, point);
        return error_set_errno(err, ERROR_INTERNAL, errnum, "cannot rename %s to %s", staging->path,
                               point);
}

/* Called when every file is as it was hashed and has its final mode. Failure is only logged:
 * without the digest a restore verifies the whole point before it begins, which is no reason to
 * refuse publication. */
static void note_stat_digest(const struct staging *staging)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_point_state_ struct point_state state = { 0 };
        state.stat_digest =
                stat_digest_make(staging->dir_fd, staging->path, &staging->checksums, &error);
        _cleanup_free_ char *text = point_state_format(&state);
        if (!state.stat_digest || fs_write_file_at(staging->dir_fd, POINT_STATE_NAME, 0640, text,
                                                   strlen(text), &error) < 0)
                log_debug("%s: " POINT_STATE_NAME " was not written: %s", staging->path,
                          error_message(error));
}

int staging_publish(struct staging *staging, const char *point, struct error **err)
{
        if (!point_name_parse(point, NULL))
                return error_set(err, ERROR_REFUSED,
                                 "\"%s\" is not a name for a restore point (YYYY-MM-DD-HHMMSS)",
                                 point);
        size_t seen = 0;
        if (check_list_is_current(staging, err) < 0 ||
            settle_folder(staging, staging->dir_fd, NULL, 0, &seen, err) < 0)
                return -1;
        if (seen != staging->checksums.count)
                return error_set(err, ERROR_REFUSED,
                                 "%s is not published: %zu files were hashed and %zu of them exist",
                                 staging->path, staging->checksums.count, seen);
        note_stat_digest(staging);
        /* The folders above may be new, so they are made durable too. */
        if (fs_sync_dir(staging->repository->root_fd, staging->hypervisor, err) < 0 ||
            fs_sync_dir(staging->hypervisor_fd, staging->vm, err) < 0 ||
            rename_to_point(staging, point, err) < 0)
                return -1;
        if (fs_sync_dir(staging->vm_fd, point, err) < 0) {
                /* A point that a crash could undo does not count as published. */
                (void)renameat(staging->vm_fd, point, staging->vm_fd, staging->folder);
                return -1;
        }
        staging_became_point(staging, point);
        return 0;
}
