/* Implements repository/marker.h. The marker is written under a temporary name and linked into
 * place, so it is complete as soon as it exists. Of two processes that do this at once, link()
 * fails for the second with EEXIST. */
#include "repository/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "repository/share-files.h"

static bool uuid_is_valid(const char *text)
{
        static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
        if (strlen(text) != strlen(form))
                return false;
        for (size_t i = 0; form[i]; i++)
                if (form[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
                        return false;
        return true;
}

char *marker_parse(const char *text, size_t length, const char *path, struct error **err)
{
        _cleanup_free_ char *copy = xstrndup(text, length);
        _cleanup_free_ char *uuid = NULL;
        long format = 0;
        char *rest = copy;
        const char *first = strsep(&rest, "\n");
        for (const char *line; (line = strsep(&rest, "\n"));) {
                if (str_starts_with(line, "format: "))
                        format = strtol(line + strlen("format: "), NULL, 10);
                else if (str_starts_with(line, "uuid: "))
                        xstrdup_replace(&uuid, line + strlen("uuid: "));
        }
        if (!streq(first, "orch repository") || format < 1) {
                error_set(err, ERROR_REFUSED,
                          "%s/" MARKER_NAME
                          " is not the marker of an orch repository; is this the right share?",
                          path);
                return NULL;
        }
        if (format > MARKER_FORMAT) {
                error_set(err, ERROR_REFUSED,
                          "the repository %s has format %ld, and this orch (" ORCH_VERSION
                          ") supports formats up to %d: use the newer orch that made it",
                          path, format, MARKER_FORMAT);
                return NULL;
        }
        if (!uuid || !uuid_is_valid(uuid)) {
                error_set(err, ERROR_REFUSED,
                          "%s/" MARKER_NAME
                          " holds no valid UUID; restore the file from a snapshot of the share",
                          path);
                return NULL;
        }
        return TAKE_PTR(uuid);
}

char *marker_read(int root_fd, const char *path, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(root_fd, MARKER_NAME, MARKER_MAX_BYTES, &length, &error);
        if (!text && error->errnum == ENOENT) {
                error_set(err, ERROR_REFUSED,
                          "%s has no marker (" MARKER_NAME
                          "): it is not an orch repository; if it is the right share, run `orch "
                          "repository "
                          "init` once",
                          path);
                return NULL;
        }
        if (!text) {
                error_propagate(err, TAKE_PTR(error));
                error_prefix(err, "%s", path);
                return NULL;
        }
        return marker_parse(text, length, path, err);
}

static int refuse_existing(int root_fd, const char *path, const char *our_uuid, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *uuid = marker_read(root_fd, path, &error);
        /* When the server's answer to link() is lost, the client repeats it and gets EEXIST for its
         * own link. */
        if (streq(uuid, our_uuid))
                return 0;
        if (uuid)
                return error_set(err, ERROR_REFUSED,
                                 "%s is an orch repository already (UUID %s); nothing was changed",
                                 path, uuid);
        return error_set(err, ERROR_REFUSED, "%s has a marker already, and it cannot be read: %s",
                         path, error_message(error));
}

char *marker_create(int root_fd, const char *path, int64_t now, struct error **err)
{
        _cleanup_free_ char *uuid = uuid_new(err);
        if (!uuid)
                return NULL;
        _cleanup_free_ char *created = clock_format_rfc3339(now);
        _cleanup_free_ char *text =
                xasprintf("orch repository\nformat: %d\nuuid: %s\ncreated: %s\n\n"
                          "This file marks the share as a repository of orch. orch and every "
                          "hypervisor check it before\n"
                          "they write here. Keep it as it is.\n",
                          MARKER_FORMAT, uuid, created);
        _cleanup_free_ char *temporary = xasprintf(MARKER_NAME ".%s", uuid);
        if (fs_write_file_at(root_fd, temporary, 0644, text, strlen(text), err) < 0) {
                error_prefix(err, "%s", path);
                return NULL;
        }
        int r = 0;
        if (linkat(root_fd, temporary, root_fd, MARKER_NAME, 0) < 0)
                r = errno == EEXIST
                            ? refuse_existing(root_fd, path, uuid, err)
                            : error_set_errno(err, ERROR_INTERNAL, errno,
                                              "cannot make the marker %s/" MARKER_NAME, path);
        unlinkat(root_fd, temporary, 0);
        if (r < 0 || fs_sync_dir(root_fd, MARKER_NAME, err) < 0)
                return NULL;
        return TAKE_PTR(uuid);
}
