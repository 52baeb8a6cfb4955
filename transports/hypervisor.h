/* A connection to one hypervisor. Everything remote goes through this interface, so a decorator can
 * delay or fail any call. The implementation reaches libvirt over SSH and runs commands over SSH
 * (transports/libvirt/libvirt-ssh.h).
 *
 * Every call has a deadline. Past it the call returns ERROR_TIMEOUT, and the message names the
 * call, the VM and the host. A call that never returns (a stopped QEMU under libvirtd) is left
 * behind in its thread, and the connection counts as lost; hypervisor_reconnect() opens a new one.
 * ERROR_UNREACHABLE means that the connection is lost. The object is not thread-safe: it has one
 * user at a time.
 *
 * Domains are always named by UUID, never by name, so that another domain of the same name is not
 * touched. */
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
        /* the domain job in progress: "migration", "save", "backup", …; NULL: none */
        char *job;
};
void domain_info_done(struct domain_info *info);
#define _cleanup_domain_info_ _cleanup_(domain_info_done)

enum block_job_type { BLOCK_JOB_NONE, BLOCK_JOB_COMMIT, BLOCK_JOB_PULL, BLOCK_JOB_OTHER };
struct block_job {
        enum block_job_type type;
        bool ready; /* the active commit has caught up and can be pivoted */
        uint64_t done_bytes;
        uint64_t total_bytes;
};

/* The state of a domain's backup job, or the result of its last one. A domain has at most one. */
enum backup_job_state { BACKUP_JOB_NONE, BACKUP_JOB_RUNNING, BACKUP_JOB_DONE, BACKUP_JOB_FAILED };
struct backup_job {
        enum backup_job_state state;
        uint64_t done_bytes;
        uint64_t total_bytes;
};

enum fsfreeze_status { FSFREEZE_THAWED, FSFREEZE_FROZEN };

/* The state of a VM's guest agent. */
enum agent_state {
        AGENT_ANSWERS,
        AGENT_ABSENT, /* no channel in the domain, or nothing connected in the guest */
        AGENT_MUTE,   /* connected, but it did not answer in time, or answered with an error */
};

/* A command on the hypervisor. */
struct exec_options {
        int64_t timeout_ms;
        const char *input; /* stdin; NULL: none */
        size_t max_output; /* of each stream; 0: 1 MiB */
        /* not NULL: run it under this name, so that hypervisor_stop_unit() can end it from any
         * connection and no process outlives timeout_ms. It uses systemd-run if systemd runs,
         * otherwise setsid, a pidfile and timeout. ERROR_BUSY: it did not start; the name may be in
         * use */
        const char *unit;
        /* called with stdout and stderr as they arrive; may be NULL */
        void (*on_output)(const char *data, size_t length, void *data_pointer);
        /* called at least every 200 ms; true → ERROR_CANCELLED. May be NULL */
        bool (*cancelled)(void *data_pointer);
        void *data;
};

struct exec_result {
        int status; /* exit status, or 128 + signal; -1: the server sent none */
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

/* The calls. Each `uuid` is that of a domain. The caller owns string results. All return 0 or -1
 * unless stated otherwise. */
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
        /* `inactive`: the XML that the next start uses. `secure`: with passwords (only if the
         * result is stored with mode 0600). */
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
        /* Sends one command of the agent's protocol, as JSON, and returns the whole reply
         * (guest-exec.h uses it). `timeout_ms` is the agent's time to answer; 0: the connection's
         * default. If the agent reports an error, ERROR_INTERNAL with its text. */
        int (*agent_command)(struct hypervisor *hypervisor, const char *uuid,
                             const char *json_command, int64_t timeout_ms, char **ret_reply,
                             struct error **err);

        /* Takes an external snapshot with DISK_ONLY | ATOMIC | NO_METADATA. */
        int (*snapshot)(struct hypervisor *hypervisor, const char *uuid, const char *snapshot_xml,
                        struct error **err);
        /* Starts an active commit of `top` into `base` (both absolute paths of the live chain,
         * never defaults). */
        int (*block_commit)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            const char *base, const char *top, uint64_t bandwidth_mib_s,
                            struct error **err);
        /* Starts copying the contents of the disk's backing chain into the disk. When the job
         * completes, the disk has no backing file, live and in the configuration, and nothing has
         * to be pivoted. A job that ends otherwise leaves the disk as it is, and can be started
         * again. */
        int (*block_pull)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          uint64_t bandwidth_mib_s, struct error **err);
        int (*block_job)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                         struct block_job *ret, struct error **err);
        /* Removes the bandwidth limit of the running job. */
        int (*block_unlimit)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                             struct error **err);
        int (*block_pivot)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           struct error **err);
        int (*block_abort)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           struct error **err);
        /* Capacity and allocation of the live or configured disk, in bytes. */
        int (*block_size)(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          uint64_t *ret_capacity, uint64_t *ret_allocation, struct error **err);
        /* Checkpoints by name, each parent before its children. The XML has the sizes of what was
         * written since. Deleting a checkpoint that does not exist succeeds; if its bitmap is lost,
         * only the record is removed. */
        int (*list_checkpoints)(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                                struct error **err);
        int (*checkpoint_xml)(struct hypervisor *hypervisor, const char *uuid, const char *name,
                              char **ret_xml, struct error **err);
        int (*checkpoint_create)(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                                 struct error **err);
        int (*checkpoint_delete)(struct hypervisor *hypervisor, const char *uuid, const char *name,
                                 struct error **err);
        /* Starts a push-mode backup job, with a new checkpoint of the same point in time (NULL:
         * none). *ret_text (may be NULL): the XML of a running job (NULL: it has just ended), or
         * the reason why it failed. backup_abort() ends no other kind of job. */
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
        /* succeeds if the domain is off already */
        int (*destroy)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        int (*define)(struct hypervisor *hypervisor, const char *xml, char **ret_uuid,
                      struct error **err);
        int (*undefine)(struct hypervisor *hypervisor, const char *uuid, struct error **err);
        /* Whether the domain starts with its host; that is not part of its XML. */
        int (*get_autostart)(struct hypervisor *hypervisor, const char *uuid, bool *ret,
                             struct error **err);
        int (*set_autostart)(struct hypervisor *hypervisor, const char *uuid, bool on,
                             struct error **err);

        /* Look up a libvirt network or storage pool: 1 found, 0 not found, -1 error. */
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

/* Frees the connection and the object; a stuck call does not block it. Returns NULL. */
static inline struct hypervisor *hypervisor_free(struct hypervisor *hypervisor)
{
        if (hypervisor)
                hypervisor->ops->free(hypervisor);
        return NULL;
}
DEFINE_FREEP(struct hypervisor, hypervisor_free)

/* exec() for a short command that has to succeed: a non-zero status becomes an error with the first
 * line of stderr. *ret_output (may be NULL) is stdout without its final newline; the caller frees.
 */
int hypervisor_run(struct hypervisor *hypervisor, const char *const argv[], int64_t timeout_ms,
                   char **ret_output, struct error **err) _must_check_;

const char *domain_state_name(enum domain_state state); /* "running", … */
bool domain_state_is_off(
        enum domain_state state); /* it has no QEMU process: shut off, or crashed */

/* The state of a domain that is expected to exist; `name` is used in messages. ERROR_REFUSED if it
 * is no longer defined. */
int hypervisor_domain_state(struct hypervisor *hypervisor, const char *uuid, const char *name,
                            enum domain_state *ret, struct error **err) _must_check_;
