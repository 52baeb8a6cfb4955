/* A failed job as a value, the cause that it may share with other failures, and the messages about
 * both. */
#pragma once

#include "notify/notice.h"
#include "schema/records/messages.h"

struct failure {
        enum job_action action;
        char *job;
        char *vm;         /* NULL: the job was about a hypervisor */
        char *hypervisor; /* NULL: not known */
        char *step;       /* the failed step; NULL: the job failed before its first step */
        char *check;      /* the first failed check; NULL: none */
        enum error_kind kind;
        char *error;
        int64_t when;
        int64_t duration_seconds;
        bool tried_again; /* it will be tried once more at the end of this cycle */
        bool second_try;  /* it was that second try */
        char **tags;      /* of the VM */
        char *log;        /* the last lines of its log; NULL: none */
};

struct failure *failure_free(struct failure *failure);
DEFINE_FREEP(struct failure, failure_free)
#define _cleanup_failure_ _cleanup_(failure_freep)

/* The cause that many failures share: "share" (it is not available), "share-full",
 * "share-on/HYPERVISOR" (not available on that one), "hypervisor/HYPERVISOR" (unreachable). NULL: a
 * failure with a cause of its own. `share_is_down`: the share's state in the daemon now. The caller
 * frees. */
char *failure_cause(const struct failure *failure, bool share_is_down);

/* The alert about one failure. */
struct notice *failure_notice(const struct failure *failure);
/* The one alert about a cause: `first` is the first failure, `vms` all VMs that failed for it so
 * far, `others` (may be NULL) further VMs that it may affect. `reason` is the known error text. */
struct notice *cause_notice(const char *cause, const struct failure *first, char *const *vms,
                            char *const *others, const char *reason, int64_t since);
/* The message that the cause has ended; `vms`: the VMs that failed meanwhile. */
struct notice *cause_over_notice(const char *cause, char *const *vms, int64_t since, int64_t now);
/* A warning of a running backup that an operator should know at once. */
struct notice *warning_notice(const char *vm, const char *hypervisor, const char *job,
                              const char *text, char *const *tags, int64_t now);
/* The second try of a VM succeeded. */
struct notice *second_try_notice(const char *vm, const char *hypervisor, const char *job,
                                 char *const *tags, int64_t now);
