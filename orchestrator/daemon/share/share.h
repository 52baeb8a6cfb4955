/* The daemon's view of the repository. Everything that touches the share or the catalog happens on
 * the catalog thread (base/work-thread.h): opening, the repository-wide lock, reconciling,
 * recording, listing. The loop only posts requests and gets completions; each request has a
 * deadline here, after which its caller is answered with ERROR_TIMEOUT while the thread may still
 * hang in the kernel.
 *
 * The share is opened at start, probed every minute while it is available, and tried again every 30
 * s (and whenever it is needed) while it is not. What has to be recorded meanwhile is kept and
 * recorded later. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "daemon/loop/loop.h"
#include "schema/config/settings.h"

struct share;

enum share_state {
        SHARE_OPENING, /* it was never open, and the first attempt is under way */
        SHARE_OK,
        SHARE_UNAVAILABLE, /* see `error` */
};

struct share_view {
        enum share_state state;
        const char *path;
        const char *uuid;    /* NULL until it was open once */
        char *error;         /* the caller frees the view with share_view_done() */
        uint64_t free_bytes; /* as last seen */
        uint64_t total_bytes;
        bool full; /* it is available, but nothing can be written to it: it has to be pruned */
};
void share_view_done(struct share_view *view);
#define _cleanup_share_view_ _cleanup_(share_view_done)

/* All are called in the loop. */
struct share_handlers {
        /* Names of the VMs whose pins an opening should read; NULL-terminated, the caller frees. */
        char **(*pin_names)(void *data);
        /* It was opened (again): all rows, jobs without a point included. */
        void (*opened)(void *data, const struct catalog_list *rows);
        /* A VM's pin became known; uuid NULL: it has none. */
        void (*pin)(void *data, const char *vm, const char *uuid, const char *hypervisor);
        /* The row of a point was read again from the share, or removed: all rows of points of its
         * VM as they are now. */
        void (*point)(void *data, const char *vm, const char *path,
                      const struct catalog_list *rows);
        void *data;
};

struct share_timing {
        int64_t retry_ms;   /* 0: 30 s */
        int64_t refresh_ms; /* 0: 60 s */
        int64_t answer_ms;  /* how long a caller waits; 0: 20 s */
};

struct share *share_new(struct loop *loop, const struct settings *settings,
                        const struct share_timing *timing, const struct share_handlers *handlers,
                        struct error **err) _must_check_;
/* Posts the first opening. */
void share_start(struct share *share);
/* Closes catalog and repository and releases the lock, after all requests that are posted already;
 * `done` is called when that has happened or `timeout_ms` have passed. Callers that still wait are
 * answered with ERROR_CANCELLED. */
void share_stop(struct share *share, int64_t timeout_ms, void (*done)(void *data), void *data);
/* After share_stop() is done. A thread that hangs on the share is left behind until the process
 * ends. */
struct share *share_free(struct share *share);
DEFINE_FREEP(struct share, share_free)

struct share_view share_look(const struct share *share);
const char *share_state_name(enum share_state state); /* "opening", "ok", "unavailable" */
/* NULL until it was open once. */
const char *share_uuid(const struct share *share);

/* The answer to a caller: an error or a text, both owned by the share; which text depends on the
 * request. */
typedef void share_answer_function(void *data, const struct error *error, const char *text);

/* Answers without a text once the share is known to be available: at once, or after an attempt to
 * open it. */
void share_when_ready(struct share *share, share_answer_function *answer, void *data);
/* Probes the share now, and answers when its state is known; at once while it is known to be
 * unavailable. */
void share_check(struct share *share, share_answer_function *answer, void *data);
/* Answers when all earlier requests have completed (also failed ones), or at the deadline. */
void share_flush(struct share *share, share_answer_function *answer, void *data);
/* The JSON array of `orch list --json`; vm NULL: of all. */
void share_list_points(struct share *share, const char *vm, bool failed,
                       share_answer_function *answer, void *data);
/* One point's entry with "metadata": a JSON object. `point`: a name, "latest", or a unique prefix.
 * ERROR_CONFIG when there is none. */
void share_show_point(struct share *share, const char *vm, const char *point,
                      share_answer_function *answer, void *data);

/* Holds a point (`reason` may be NULL), or releases it: changes state.json, then its row. Answers
 * with a JSON object: vm, point, path, held, held_reason. `point` as for share_show_point(). */
void share_hold_point(struct share *share, const char *vm, const char *point, bool hold,
                      const char *reason, share_answer_function *answer, void *data);
/* What the catalog knows of each VM that has points, in the catalog or on the share: a JSON object
 * of arrays of paths, by VM. */
void share_list_known(struct share *share, share_answer_function *answer, void *data);

/* These have no answer; a failure is logged, and the request is kept and repeated: the first two
 * always, the third on a full share. */
void share_record(struct share *share, const struct catalog_entry *entry);
void share_set_pin(struct share *share, const char *vm, const char *uuid, const char *hypervisor);
/* Reads the row of the point again from the share; removes it where the share has no such point.
 * Reports by handlers.point. `path` as in a row. */
void share_refresh_point(struct share *share, const char *vm, const char *path);
void share_write_summary(struct share *share, const char *text);
/* Reads pins that are not known yet; reports them by handlers.pin. Names NULL-terminated. Does
 * nothing while the share is unavailable: the next opening reads all. */
void share_load_pins(struct share *share, char *const *vms);
