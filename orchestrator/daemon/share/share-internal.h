/* Shared by the loop's side (share.c: opening and watching; share-requests.c: requests) and
 * share-work.c (what runs on the catalog thread). */
#pragma once

#include "daemon/share/share.h"
#include "repository/repository.h"

struct work_thread;
struct share_waiter;

/* What the catalog thread holds open. Only functions that run there touch it. */
struct share_side {
        char *path; /* never changes: the loop reads it too */
        enum repository_fstype fstype;
        struct repository *repository;
        /* of the repository that was opened first: another one in its place is refused until the
         * next start; NULL: none yet */
        char *uuid;
        bool locked;
        struct catalog *catalog;
};

struct share_pin {
        char *vm;
        char *uuid; /* NULL: none */
        char *hypervisor;
};

/* A request. Between posting and completion, `work` and all fields from `names` on belong to the
 * catalog thread. */
struct share_request {
        struct share *share;
        struct share_request *next;
        const char *what; /* for messages: "listing the points" */
        int (*work)(struct share_side *side, struct share_request *request, struct error **err);
        /* In the loop, with `error` NULL or set. */
        void (*completed)(struct share *share, struct share_request *request);
        /* NULL: it has no caller, or the caller was answered with a timeout */
        share_answer_function *answer;
        void *answer_data;
        int64_t posted_ms;
        int64_t deadline_ms;
        unsigned attempts; /* that failed before this one */

        char **names;
        char *vm;
        char *reason; /* of a hold */
        char *text;   /* a path, a point's name, a text to write; out: the answer */
        bool flag;
        struct catalog_entry entry;
        struct error *error;
        struct catalog_list rows;
        struct share_pin *pins;
        size_t n_pins;
        char *uuid;
        uint64_t free_bytes;
        uint64_t total_bytes;
        bool full; /* the share: it is there, but nothing can be written to it */
};

int share_work_open(struct share_side *side, struct share_request *request, struct error **err);
int share_work_refresh(struct share_side *side, struct share_request *request, struct error **err);
int share_work_close(struct share_side *side, struct share_request *request, struct error **err);
int share_work_nothing(struct share_side *side, struct share_request *request, struct error **err);
int share_work_list(struct share_side *side, struct share_request *request, struct error **err);
int share_work_show(struct share_side *side, struct share_request *request, struct error **err);
int share_work_record(struct share_side *side, struct share_request *request, struct error **err);
int share_work_set_pin(struct share_side *side, struct share_request *request, struct error **err);
int share_work_list_known(struct share_side *side, struct share_request *request,
                          struct error **err);
int share_work_hold_point(struct share_side *side, struct share_request *request,
                          struct error **err);
int share_work_refresh_point(struct share_side *side, struct share_request *request,
                             struct error **err);
int share_work_write_summary(struct share_side *side, struct share_request *request,
                             struct error **err);
int share_work_load_pins(struct share_side *side, struct share_request *request,
                         struct error **err);

/* The loop's side. */
struct share {
        struct loop *loop;
        struct share_timing timing;
        struct share_handlers handlers;
        struct share_side side; /* the thread's, but for `path` */
        struct work_thread *thread;
        struct loop_source *completions;
        enum share_state state;
        struct error *error; /* in SHARE_UNAVAILABLE */
        char *uuid;
        uint64_t free_bytes;
        uint64_t total_bytes;
        bool full;
        bool opening;
        bool stale;                        /* what is open is closed before the next opening */
        struct share_request *outstanding; /* oldest first */
        int64_t completed_ms;              /* when the one before them was */
        /* to be recorded when it is open again, or has room again; oldest first */
        struct share_request *kept;
        size_t n_kept;
        struct share_waiter *waiters;
        struct loop_source *look_timer;  /* the next probe, or attempt to open */
        struct loop_source *check_timer; /* deadlines of callers */
        bool checking;                   /* the timer runs, as it does while there are callers */
        bool stopping;
        void (*stopped)(void *data);
        void *stopped_data;
        int64_t stop_deadline_ms;
};

struct share_request *share_request_new(struct share *share, const char *what,
                                        int (*work)(struct share_side *side,
                                                    struct share_request *request,
                                                    struct error **err));
struct share_request *share_request_free(struct share_request *request);
/* Hands it to the thread. */
void share_request_post(struct share *share, struct share_request *request);
/* Appends it to a list. */
void share_request_append(struct share_request **list, struct share_request *request);
/* Adds the rows that were recorded and are not in the catalog yet, from which the rows of an
 * opening were read. */
void share_add_unrecorded(const struct share *share, struct catalog_list *rows);
/* `stale`: what is open has to be closed before the next attempt. */
void share_became_unavailable(struct share *share, const struct error *error, bool stale);
