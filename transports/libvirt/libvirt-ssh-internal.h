/* The hypervisor object of libvirt-ssh.c and the functions of its table of operations, one file for
 * each subject. */
#pragma once

#include "transports/hypervisor.h"
#include "transports/libvirt/libvirt-call.h"
#include "transports/libvirt/libvirt-ssh.h"
#include "transports/remote-unit.h"
#include "transports/ssh/ssh-connection.h"

struct libvirt_ssh {
        struct hypervisor hypervisor; /* has to be first: the operations get a pointer to it */
        struct ssh_target target;     /* its strings are owned here */
        char *uri;                    /* as given, or NULL */
        int64_t connect_timeout_ms;
        int64_t call_timeout_ms;
        int64_t agent_timeout_ms;
        struct remote_abilities abilities;
        struct ssh_connection *ssh;         /* NULL after a failed reconnect */
        struct libvirt_connection *libvirt; /* NULL after a failed reconnect */
};

/* libvirt-ssh-call.c */
/* Prefixes the message with the hypervisor's name, unless it already begins with the address and
 * that is the same. Always returns -1. */
int libvirt_ssh_named(const struct hypervisor *hypervisor, struct error **err);

/* Makes the libvirt call; an error names the hypervisor. */
int libvirt_ssh_call(struct hypervisor *hypervisor, struct libvirt_request *request,
                     struct error **err) _must_check_;
/* The same for a call to the guest's agent: the agent gets its own deadline, and the call a longer
 * one. */
int libvirt_ssh_agent_call(struct hypervisor *hypervisor, struct libvirt_request *request,
                           struct error **err) _must_check_;

/* libvirt-exec.c */
int libvirt_ssh_exec(struct hypervisor *hypervisor, const char *const argv[],
                     const struct exec_options *options, struct exec_result *ret,
                     struct error **err);
int libvirt_ssh_stop_unit(struct hypervisor *hypervisor, const char *unit, struct error **err);
/* Opens the SSH connection and determines the host's abilities. */
int libvirt_ssh_open_ssh(struct libvirt_ssh *self, struct error **err) _must_check_;

/* libvirt-domain.c: reading */
int libvirt_ssh_versions(struct hypervisor *hypervisor, struct hypervisor_versions *ret,
                         struct error **err);
int libvirt_ssh_find_domain(struct hypervisor *hypervisor, const char *uuid, const char *name,
                            struct domain_info *ret, struct error **err);
int libvirt_ssh_list_domains(struct hypervisor *hypervisor, char ***ret_uuids, struct error **err);
int libvirt_ssh_get_xml(struct hypervisor *hypervisor, const char *uuid, bool inactive, bool secure,
                        char **ret_xml, struct error **err);
int libvirt_ssh_list_snapshots(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                               struct error **err);
int libvirt_ssh_block_size(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           uint64_t *ret_capacity, uint64_t *ret_allocation, struct error **err);

/* libvirt-power.c: states and definitions */
int libvirt_ssh_suspend(struct hypervisor *hypervisor, const char *uuid, struct error **err);
int libvirt_ssh_resume(struct hypervisor *hypervisor, const char *uuid, struct error **err);
int libvirt_ssh_start(struct hypervisor *hypervisor, const char *uuid, bool paused,
                      struct error **err);
int libvirt_ssh_shutdown(struct hypervisor *hypervisor, const char *uuid, struct error **err);
int libvirt_ssh_destroy(struct hypervisor *hypervisor, const char *uuid, struct error **err);
int libvirt_ssh_define(struct hypervisor *hypervisor, const char *xml, char **ret_uuid,
                       struct error **err);
int libvirt_ssh_undefine(struct hypervisor *hypervisor, const char *uuid, struct error **err);
int libvirt_ssh_update_device(struct hypervisor *hypervisor, const char *uuid,
                              const char *device_xml, struct error **err);

/* libvirt-host.c */
int libvirt_ssh_find_network(struct hypervisor *hypervisor, const char *name, bool *ret_active,
                             struct error **err);
int libvirt_ssh_find_pool(struct hypervisor *hypervisor, const char *name, char **ret_xml,
                          struct error **err);
int libvirt_ssh_get_autostart(struct hypervisor *hypervisor, const char *uuid, bool *ret,
                              struct error **err);
int libvirt_ssh_set_autostart(struct hypervisor *hypervisor, const char *uuid, bool on,
                              struct error **err);

/* libvirt-agent.c */
int libvirt_ssh_agent_state(struct hypervisor *hypervisor, const char *uuid, enum agent_state *ret,
                            struct error **err);
int libvirt_ssh_fsfreeze_status(struct hypervisor *hypervisor, const char *uuid,
                                enum fsfreeze_status *ret, struct error **err);
int libvirt_ssh_fsfreeze(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                         struct error **err);
int libvirt_ssh_fsthaw(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                       struct error **err);
int libvirt_ssh_agent_command(struct hypervisor *hypervisor, const char *uuid,
                              const char *json_command, int64_t timeout_ms, char **ret_reply,
                              struct error **err);

/* libvirt-blockjob.c */
int libvirt_ssh_snapshot(struct hypervisor *hypervisor, const char *uuid, const char *snapshot_xml,
                         struct error **err);
int libvirt_ssh_block_commit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                             const char *base, const char *top, uint64_t bandwidth_mib_s,
                             struct error **err);
int libvirt_ssh_block_pull(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           uint64_t bandwidth_mib_s, struct error **err);
int libvirt_ssh_block_job(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          struct block_job *ret, struct error **err);
int libvirt_ssh_block_unlimit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                              struct error **err);
int libvirt_ssh_block_pivot(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            struct error **err);
int libvirt_ssh_block_abort(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            struct error **err);

/* libvirt-checkpoint.c */
int libvirt_ssh_list_checkpoints(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                                 struct error **err);
int libvirt_ssh_checkpoint_xml(struct hypervisor *hypervisor, const char *uuid, const char *name,
                               char **ret_xml, struct error **err);
int libvirt_ssh_checkpoint_create(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                                  struct error **err);
int libvirt_ssh_checkpoint_delete(struct hypervisor *hypervisor, const char *uuid, const char *name,
                                  struct error **err);
int libvirt_ssh_backup_begin(struct hypervisor *hypervisor, const char *uuid,
                             const char *backup_xml, const char *checkpoint_xml,
                             struct error **err);
int libvirt_ssh_backup_job(struct hypervisor *hypervisor, const char *uuid, struct backup_job *ret,
                           char **ret_text, struct error **err);
int libvirt_ssh_backup_abort(struct hypervisor *hypervisor, const char *uuid, struct error **err);
