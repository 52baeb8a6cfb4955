/* A job that failed, as a value; the cause that it may share with others; and the messages about
 * it. */
#pragma once

#include "notify/notice.h"
#include "schema/records/messages.h"

struct failure {
        enum job_action action;
        char *job;
        char *vm;         /* NULL: it was about a hypervisor */
        char *hypervisor; /* NULL: not known */
        char *step;       /* that failed; NULL: none had begun */
        char *check;      /* the first check that failed; NULL: none did */
        enum error_kind kind;
        char *error;
        int64_t when;
        int64_t duration_seconds;
        bool tried_again; /* at the end of this cycle */
        bool second_try;  /* it was that */
        char **tags;      /* of the VM */
        char *log;        /* its last lines; NULL: there are none */
};

struct failure *failure_free(struct failure *failure);
DEFINE_FREEP(struct failure, failure_free)
#define _cleanup_failure_ _cleanup_(failure_freep)

/* What many failures have in common: "share" (it is not there), "share-full", "share-on/HYPERVISOR"
 * (that one does not see it), "hypervisor/HYPERVISOR" (no way to it). NULL: this failure stands for
 * itself. `share_is_down`: as the daemon sees it now. The caller frees. */
char *failure_cause(const struct failure *failure, bool share_is_down);

/* The alert about one failure. */
struct notice *failure_notice(const struct failure *failure);
/* The one alert about a cause: `first` is the failure that showed it, `vms` all that failed for it
 * so far, `others` (may be NULL) further VMs that it will hit. `reason` is what is known of it. */
struct notice *cause_notice(const char *cause, const struct failure *first, char *const *vms,
                            char *const *others, const char *reason, int64_t since);
/* The end of it; `vms`: those that failed meanwhile. */
struct notice *cause_over_notice(const char *cause, char *const *vms, int64_t since, int64_t now);
/* A backup goes on, but with something that a person should know at once. */
struct notice *warning_notice(const char *vm, const char *hypervisor, const char *job,
                              const char *text, char *const *tags, int64_t now);
/* A VM's second try went well. */
struct notice *second_try_notice(const char *vm, const char *hypervisor, const char *job,
                                 char *const *tags, int64_t now);
