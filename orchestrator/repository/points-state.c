/* state.json of published points: what orch learns after the publication. It is replaced as a
 * whole, by one writer at a time: a write lock on `.orch-state-lock` in the repository's root,
 * which NFSv4 forwards to the server, is held from reading to writing, for milliseconds. One lock
 * serves all points; its file is empty and is never removed. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

#define STATE_LOCK_NAME ".orch-state-lock"
enum { STATE_MAX_BYTES = 64 * 1024, LOCK_WAIT_MS = 10000, LOCK_TRY_MS = 20 };

/* On -1 `ret` holds what an unreadable state counts as: held. */
static int state_file_read(int point_fd, struct point_state *ret, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        *ret = (struct point_state){ 0 };
        _cleanup_free_ char *text =
                share_read_file(point_fd, POINT_STATE_NAME, STATE_MAX_BYTES, &length, &error);
        if (!text && error->errnum == ENOENT)
                return 0;
        if (text && point_state_parse(text, length, ret, &error) == 0)
                return 0;
        *ret = (struct point_state){ .held = true,
                                     .held_reason = xstrdup("state.json cannot be read") };
        error_propagate(err, TAKE_PTR(error));
        return error_prefix(err, POINT_STATE_NAME " cannot be read");
}

char *point_state_read(int point_fd, struct point_state *ret)
{
        _cleanup_error_ struct error *error = NULL;
        return state_file_read(point_fd, ret, &error) == 0 ? NULL : xstrdup(error_message(error));
}

static int write_state(struct repository *repository, int point_fd, const char *path,
                       const struct point_state *state, struct error **err)
{
        _cleanup_free_ char *text = point_state_format(state);
        if (fs_write_file_at(point_fd, POINT_STATE_NAME, 0640, text, strlen(text), err) < 0)
                return error_prefix(err, "%s/%s", repository->path, path);
        return 0;
}

int points_write_state(struct repository *repository, const char *path,
                       const struct point_state *state, struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        return fd < 0 ? -1 : write_state(repository, fd, path, state, err);
}

/* Returns the locked descriptor; closing it releases the lock. The lock is polled instead of
 * waiting in the kernel, so that a stopped holder does not block all others. */
static int lock_states(struct repository *repository, struct error **err)
{
        _cleanup_close_ int fd =
                openat(repository->root_fd, STATE_LOCK_NAME,
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot open %s/" STATE_LOCK_NAME, repository->path);
        int64_t deadline_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
        for (;;) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
                        break;
                if (errno != EAGAIN && errno != EACCES && errno != EINTR)
                        return error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot lock %s/" STATE_LOCK_NAME, repository->path);
                if (clock_monotonic_ms() >= deadline_ms)
                        return error_set(err, ERROR_BUSY,
                                         "%s/" STATE_LOCK_NAME
                                         " has been locked by another process for %d s",
                                         repository->path, LOCK_WAIT_MS / 1000);
                poll(NULL, 0, LOCK_TRY_MS);
        }
        int locked = fd;
        fd = -1;
        return locked;
}

int points_write_proof(struct repository *repository, const char *path, const char *name,
                       const void *data, size_t length, struct error **err)
{
        assert(file_name_is_safe(name));
        _cleanup_close_ int point_fd = repository_open_point(repository, path, err);
        if (point_fd < 0 || fs_make_dir_at(point_fd, POINT_PROOF_FOLDER, 0750, err) < 0)
                return -1;
        _cleanup_close_ int fd = fs_open_dir_at(point_fd, POINT_PROOF_FOLDER, err);
        if (fd < 0)
                return error_prefix(err, "%s/%s", repository->path, path);
        int r = data ? fs_write_file_at(fd, name, 0640, data, length, err)
                     : fs_remove_tree_at(fd, name, err);
        return r < 0 ? error_prefix(err, "%s/%s/" POINT_PROOF_FOLDER, repository->path, path) : 0;
}

int points_change_state(struct repository *repository, const char *path,
                        void (*change)(struct point_state *state, void *data), void *data,
                        struct point_state *ret, struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        if (fd < 0)
                return -1;
        _cleanup_close_ int lock_fd = lock_states(repository, err);
        if (lock_fd < 0)
                return -1;
        _cleanup_point_state_ struct point_state state = { 0 };
        _cleanup_error_ struct error *error = NULL;
        /* A state that cannot be parsed is replaced. One that a newer orch wrote, or that the share
         * cannot deliver now, stays. */
        if (state_file_read(fd, &state, &error) < 0 && error->kind != ERROR_CORRUPT) {
                error_propagate(err, TAKE_PTR(error));
                return error_prefix(err, "%s/%s", repository->path, path);
        }
        change(&state, data);
        if (write_state(repository, fd, path, &state, err) < 0)
                return -1;
        if (ret) {
                *ret = state;
                state = (struct point_state){ 0 };
        }
        return 0;
}
