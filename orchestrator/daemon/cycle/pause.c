/* Implements daemon/cycle/pause.h. <state>/paused holds the end of the pause (RFC 3339), or nothing
 * for a pause without one. */
#include "daemon/cycle/pause.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/cycle.h"
#include "daemon/state/state.h"

static char *pause_file_path(const struct daemon *daemon)
{
        return path_join(daemon->state_folder, "paused");
}

void pause_begin(struct daemon *daemon, int64_t until)
{
        daemon->paused.on = true;
        daemon->paused.until = until;
        _cleanup_free_ char *moment = until ? clock_format_rfc3339(until) : xstrdup("");
        _cleanup_free_ char *path = pause_file_path(daemon);
        _cleanup_error_ struct error *error = NULL;
        if (fs_write_file(path, 0640, moment, strlen(moment), &error) < 0)
                log_warning("the pause will end with this daemon: %s", error->message);
        log_info("paused%s%s", until ? " until " : "", moment);
}

void pause_end(struct daemon *daemon)
{
        if (!daemon->paused.on)
                return;
        daemon->paused.on = false;
        daemon->paused.until = 0;
        _cleanup_free_ char *path = pause_file_path(daemon);
        if (unlink(path) < 0 && errno != ENOENT)
                log_warning("cannot remove %s: %s; the next start of the daemon will be paused",
                            path, strerror(errno));
        log_info("resumed");
        cycle_check_trigger(daemon);
        daemon_changed(daemon);
}

void pause_load(struct daemon *daemon)
{
        _cleanup_free_ char *path = pause_file_path(daemon);
        _cleanup_free_ char *text = fs_read_file(path, 64, NULL, NULL);
        if (!text)
                return;
        daemon->paused.on = true;
        if (!clock_parse_rfc3339(text, &daemon->paused.until))
                daemon->paused.until = 0;
        log_info("paused%s%s, as before the restart", *text ? " until " : "", text);
}

void pause_check(struct daemon *daemon)
{
        if (daemon->paused.on && daemon->paused.until && clock_realtime_s() >= daemon->paused.until)
                pause_end(daemon);
}

int pause_refuse_backups(const struct daemon *daemon, struct error **err)
{
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        if (!daemon->paused.on)
                return 0;
        _cleanup_free_ char *until =
                daemon->paused.until ? clock_format_local(daemon->paused.until) : NULL;
        return error_set(err, ERROR_REFUSED, "backups are paused%s%s; `orch resume` ends the pause",
                         until ? " until " : "", until ? until : "");
}
