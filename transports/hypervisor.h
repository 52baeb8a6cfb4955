/* A connection to one hypervisor: the interface through which everything remote is done, and so the
 * place where a decorator can delay or fail any call. One implementation reaches libvirt over SSH
 * and runs commands over SSH (transports/libvirt/libvirt-ssh.h).
 *
 * Every call has a deadline and returns ERROR_TIMEOUT past it, saying which call on which VM and
 * host; a call that never returns (a stopped QEMU under libvirtd) is left behind in its thread and
 * the connection counts as lost: hypervisor_reconnect() opens a new one. ERROR_UNREACHABLE: the
 * connection is gone. Not thread-safe: one user at a time.
 *
 * Domains are named by UUID throughout, never by name: a namesake must not be touched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum domain_state {
        DOMAIN_STATE_RUNNING,
        DOMAIN_STATE_PAUSED, /* by a user, or by an I/O error: see paused_by_io_error */
        DOMAIN_STATE_SHUT_OFF,
        DOMAIN_STATE_CRASHED,
        DOMAIN_STATE_OTHER, /* shutting down, suspended by its guest */
};

struct domain_info {
        char *uuid;
        char *name;
        enum domain_state state;
        bool paused_by_io_error;
        bool persistent;
        bool has_managed_save;
        /* what a domain job under way does: "migration", "save", "backup", …; NULL: none */
        char *job;
};
void domain_info_done(struct domain_info *info);
#define _cleanup_domain_info_ _cleanup_(domain_info_done)

enum block_job_type { BLOCK_JOB_NONE, BLOCK_JOB_COMMIT, BLOCK_JOB_PULL, BLOCK_JOB_OTHER };
struct block_job {
        enum block_job_type type;
        bool ready; /* an active commit that has caught up and can be pivoted */
        uint64_t done_bytes;
        uint64_t total_bytes;
};

/* The one backup job that a domain may have, or what became of its last one. */
enum backup_job_state { BACKUP_JOB_NONE, BACKUP_JOB_RUNNING, BACKUP_JOB_DONE, BACKUP_JOB_FAILED };
struct backup_job {
        enum backup_job_state state;
        uint64_t done_bytes;
        uint64_t total_bytes;
};

enum fsfreeze_status { FSFREEZE_THAWED, FSFREEZE_FROZEN };

/* How a guest agent stands to a VM. */
enum agent_state {
        AGENT_ANSWERS,
        AGENT_ABSENT, /* no channel in the domain, or nothing connected in the guest */
        AGENT_MUTE,   /* connected, but gave no answer in time, or an error */
};

/* A command on the hypervisor. */
struct exec_options {
        int64_t timeout_ms;
        const char *input; /* stdin; NULL: none */
        size_t max_output; /* of each stream; 0: 1 MiB */
        /* not NULL: run it under this name so that hypervisor_stop_unit() from any connection ends
         * it and nothing outlives timeout_ms: systemd-run where systemd runs, else setsid + pidfile
         * + timeout. ERROR_BUSY: it did not start; the name may be in use */
        const char *unit;
        /* stdout and stderr as they come; may be NULL */
        void (*on_output)(const char *data, size_t length, void *data_pointer);
        /* asked at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data_pointer);
        void *data;
};

struct exec_result {
        int status; /* exit status, or 128 + signal; -1: none was told */
        char *output;
        char *errors;
};
void exec_result_done(struct exec_result *result);
#define _cleanup_exec_result_ _cleanup_(exec_result_done)

struct hypervisor_versions {
        unsigned long libvirt; /* major * 1000000 + minor * 1000 + release */
        unsigned long qemu;
};

struct hypervisor;

/* The calls. Each `uuid` is a domain's. A string result is owned by the caller. All return 0 or -1
 * unless said. */
struct hypervisor_operations {
        void (*free)(struct hypervisor *hypervisor);
        int (*reconnect)(struct hypervisor *hypervisor, struct error **err);
        int (*versions)(struct hypervisor *hypervisor, struct hypervisor_versions *ret,
                        struct error **err);

        int (*exec)(struct hypervisor *hypervisor, const char *const argv[],
                    const struct exec_options *options, struct exec_result *ret,
                    struct error **err);
        int (*stop_unit)(struct hypervisor *hypervisor, const char *unit, struct error **err);

        /* 1 found, 0 no such domain, -1 error. Looked up by UUID, or by name when uuid is NULL. */
        int (*find_domain)(struct hypervisor *hypervisor, const char *uuid, const char *name,
                           struct domain_info *ret, struct error **err);
        /* UUIDs of all domains of the host; NULL-terminated, owned by the caller. */
        int (*list_domains)(struct hypervisor *hypervisor, char ***ret_uuids, struct error **err);
        /* `inactive`: what the next start uses. `secure`: with passwords (ask only where it is
         * stored 0600). */
        int (*get_xml)(struct hypervisor *hypervisor, const char *uuid, bool inactive, bool secure,
                       char **ret_xml, struct error **err);
        int (*list_snapshots)(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                              struct error **err);

        int (*agent_state)(struct hypervisor *hypervisor, const char *uuid, enum agent_state *ret,
                           struct error **err);
        int (*fsfreeze_status)(struct hypervisor *hypervisor, const char *uuid,
                               enum fsfreeze_status *ret, struct error **err);
        int (*fsfreeze)(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                        struct error **err);
        int (*fsthaw)(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                      struct error **err);
        /* One command of the agent's protocol, as JSON, and its whole reply (guest-exec.h is built
         * on it). `timeout_ms` is what the agent is given to answer; 0: the connection's default.
         * What it says it cannot do is ERROR_INTERNAL with its words. */
        int (*agent_command)(struct hypervisor *hypervisor, const char *uuid,
                             const char *json_command, int64_t timeout_ms, char **ret_reply,
                             struct error **err);

        /* DISK_ONLY | ATOMIC | NO_METADATA. */
        int (*snapshot)(struct hypervisor *hypervisor, const char *uuid, const char *snapshot_xml,
                        struct error **err);
        /* Starts an active commit of `top` into `base` (both absolute paths of the live chain,
         * never defaults). */
        int (*block_commit)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            const char *base, const char *top, uint64_t bandwidth_mib_s,
                            struct error **err);
        /* Starts copying what the disk has from the layers below it into it. At its end the disk
         * stands alone, live and configured, with nothing to pivot; a job that ends otherwise
         * leaves it as it is, and can be started again. */
        int (*block_pull)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          uint64_t bandwidth_mib_s, struct error **err);
        int (*block_job)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                         struct block_job *ret, struct error **err);
        /* Takes the bandwidth limit off the job that is under way. */
        int (*block_unlimit)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                             struct error **err);
        int (*block_pivot)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           struct error **err);
        int (*block_abort)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           struct error **err);
        /* Capacity, allocation of the live or configured disk. */
        int (*block_size)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          uint64_t *ret_capacity, uint64_t *ret_allocation, struct error **err);
        /* Checkpoints by name, an older one before those that build on it. The XML has what was
         * written since. Deleting one that is not there is fine; where its bitmap cannot be had any
         * more, the record alone is removed. */
        int (*list_checkpoints)(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                                struct error **err);
        int (*checkpoint_xml)(struct hypervisor *hypervisor, const char *uuid, const char *name,
                              char **ret_xml, struct error **err);
        int (*checkpoint_create)(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                                 struct error **err);
        int (*checkpoint_delete)(struct hypervisor *hypervisor, const char *uuid, const char *name,
                                 struct error **err);
        /* A push job, with a new checkpoint of the same moment (NULL: without). *ret_text (may be
         * NULL): the XML of a job that runs (NULL: it has just ended), the reason of one that
         * failed. Aborting touches no other kind of job. */
        int (*backup_begin)(struct hypervisor *hypervisor, const char *uuid, const char *backup_xml,
                            const char *checkpoint_xml, struct error **err);
        int (*backup_job)(struct hypervisor *hypervisor, const char *uuid, struct backup_job *ret,
                          char **ret_text, struct error **err);
        int (*backup_abort)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        /* virDomainUpdateDeviceFlags(AFFECT_CONFIG) with a <disk> element. */
        int (*update_device)(struct hypervisor *hypervisor, const char *uuid,
                             const char *device_xml, struct error **err);

        int (*suspend)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        int (*resume)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        int (*start)(struct hypervisor *hypervisor, const char *uuid, bool paused,
                     struct error **err);
        int (*shutdown)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        /* of one that is off: nothing */
        int (*destroy)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        int (*define)(struct hypervisor *hypervisor, const char *xml, char **ret_uuid,
                      struct error **err);
        int (*undefine)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        /* Whether it starts with its host: no part of its XML. */
        int (*get_autostart)(struct hypervisor *hypervisor, const char *uuid, bool *ret,
                             struct error **err);
        int (*set_autostart)(struct hypervisor *hypervisor, const char *uuid, bool on,
                             struct error **err);

        /* A libvirt network, a storage pool: 1 found, 0 there is none, -1 error. */
        int (*find_network)(struct hypervisor *hypervisor, const char *name, bool *ret_active,
                            struct error **err);
        int (*find_pool)(struct hypervisor *hypervisor, const char *name, char **ret_xml,
                         struct error **err);
};

struct hypervisor {
        const struct hypervisor_operations *ops;
        char *name; /* in the inventory; owned by the implementation */
        char *address;
};

/* Frees the connection and the object; never blocks on a stuck call. Returns NULL. */
static inline struct hypervisor *hypervisor_free(struct hypervisor *hypervisor)
{
        if (hypervisor)
                hypervisor->ops->free(hypervisor);
        return NULL;
}
DEFINE_FREEP(struct hypervisor, hypervisor_free)

/* exec() for a short command that must succeed: a non-zero status becomes an error with the first
 * line of its stderr. *ret_output (may be NULL) is stdout without its final newline; the caller
 * frees. */
int hypervisor_run(struct hypervisor *hypervisor, const char *const argv[], int64_t timeout_ms,
                   char **ret_output, struct error **err) _must_check_;

const char *domain_state_name(enum domain_state state); /* "running", … */
bool domain_state_is_off(enum domain_state state);      /* no QEMU runs it: shut off, or crashed */

/* What a domain that has to be there does now; `name` is what a message calls it. ERROR_REFUSED
 * when it is not defined any more. */
int hypervisor_domain_state(struct hypervisor *hypervisor, const char *uuid, const char *name,
                            enum domain_state *ret, struct error **err) _must_check_;
