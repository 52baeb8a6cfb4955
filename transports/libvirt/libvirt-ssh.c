/* The hypervisor object: it opens and closes its two connections, and has the table of operations.
 *
 * One SSH connection runs commands, a second carries libvirt's protocol, so that neither waits for
 * the other. Each verifies the host key against the same file. */
#include "transports/libvirt/libvirt-ssh.h"

#include <assert.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-error.h"
#include "transports/libvirt/libvirt-ssh-internal.h"
#include "transports/libvirt/libvirt-uri.h"

enum {
        DEFAULT_CONNECT_TIMEOUT_MS = 15 * 1000,
        /* Longer than the 30 s that libvirt itself waits for a domain's lock, so that for a busy
           domain libvirt's answer arrives. Otherwise the call would count as stuck, which costs the
           connection. */
        DEFAULT_CALL_TIMEOUT_MS = 40 * 1000,
        DEFAULT_AGENT_TIMEOUT_MS = 10 * 1000,
        MOST_FILES = 16384,
};

/* Starts the remote end of libvirt's protocol, virt-ssh-helper: it finds the socket of the right
 * daemon, also of modular daemons, and starts the daemon as socket activation would. */
static struct ssh_tunnel *open_tunnel(struct libvirt_ssh *self, struct error **err)
{
        struct ssh_connection *connection =
                ssh_connection_open(&self->target, self->connect_timeout_ms, err);
        if (!connection)
                return NULL;
        _cleanup_free_ char *command =
                shell_join((const char *const[]){ "virt-ssh-helper", "qemu:///system", NULL });
        return ssh_tunnel_open(connection, command, self->connect_timeout_ms, err);
}

static int open_libvirt(struct libvirt_ssh *self, struct error **err)
{
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel = NULL;
        _cleanup_free_ char *uri = NULL;
        if (self->uri) {
                uri = xstrdup(self->uri);
        } else if (self->abilities.virt_ssh_helper) {
                tunnel = open_tunnel(self, err);
                if (!tunnel)
                        return -1;
                uri = libvirt_uri_of_tunnel(ssh_tunnel_path(tunnel));
        } else {
                uri = libvirt_uri_of_libssh(&self->target);
        }
        self->libvirt = libvirt_connection_open(uri, TAKE_PTR(tunnel), self->connect_timeout_ms,
                                                self->call_timeout_ms, err);
        return self->libvirt ? 0 : -1;
}

static int open_connections(struct libvirt_ssh *self, struct error **err)
{
        return libvirt_ssh_open_ssh(self, err) < 0 || open_libvirt(self, err) < 0 ? -1 : 0;
}

static void close_connections(struct libvirt_ssh *self)
{
        self->libvirt = libvirt_connection_free(self->libvirt);
        self->ssh = ssh_connection_free(self->ssh);
}

static int libvirt_ssh_reconnect(struct hypervisor *hypervisor, struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        /* must not be called from a command's callbacks */
        assert(!self->ssh || !ssh_connection_is_running(self->ssh));
        close_connections(self);
        return open_connections(self, err) < 0 ? libvirt_ssh_named(hypervisor, err) : 0;
}

static void free_hypervisor(struct hypervisor *hypervisor)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        close_connections(self);
        free((char *)self->target.user);
        free((char *)self->target.key);
        free((char *)self->target.known_hosts);
        free(self->uri);
        free(hypervisor->name);
        free(hypervisor->address);
        free(self);
}

static const struct hypervisor_operations operations = {
        .free = free_hypervisor,
        .reconnect = libvirt_ssh_reconnect,
        .versions = libvirt_ssh_versions,
        .exec = libvirt_ssh_exec,
        .stop_unit = libvirt_ssh_stop_unit,
        .find_domain = libvirt_ssh_find_domain,
        .list_domains = libvirt_ssh_list_domains,
        .get_xml = libvirt_ssh_get_xml,
        .list_snapshots = libvirt_ssh_list_snapshots,
        .agent_state = libvirt_ssh_agent_state,
        .fsfreeze_status = libvirt_ssh_fsfreeze_status,
        .fsfreeze = libvirt_ssh_fsfreeze,
        .fsthaw = libvirt_ssh_fsthaw,
        .agent_command = libvirt_ssh_agent_command,
        .snapshot = libvirt_ssh_snapshot,
        .block_commit = libvirt_ssh_block_commit,
        .block_pull = libvirt_ssh_block_pull,
        .block_job = libvirt_ssh_block_job,
        .block_unlimit = libvirt_ssh_block_unlimit,
        .block_pivot = libvirt_ssh_block_pivot,
        .block_abort = libvirt_ssh_block_abort,
        .block_size = libvirt_ssh_block_size,
        .list_checkpoints = libvirt_ssh_list_checkpoints,
        .checkpoint_xml = libvirt_ssh_checkpoint_xml,
        .checkpoint_create = libvirt_ssh_checkpoint_create,
        .checkpoint_delete = libvirt_ssh_checkpoint_delete,
        .backup_begin = libvirt_ssh_backup_begin,
        .backup_job = libvirt_ssh_backup_job,
        .backup_abort = libvirt_ssh_backup_abort,
        .update_device = libvirt_ssh_update_device,
        .suspend = libvirt_ssh_suspend,
        .resume = libvirt_ssh_resume,
        .start = libvirt_ssh_start,
        .shutdown = libvirt_ssh_shutdown,
        .destroy = libvirt_ssh_destroy,
        .define = libvirt_ssh_define,
        .undefine = libvirt_ssh_undefine,
        .get_autostart = libvirt_ssh_get_autostart,
        .set_autostart = libvirt_ssh_set_autostart,
        .find_network = libvirt_ssh_find_network,
        .find_pool = libvirt_ssh_find_pool,
};

static int64_t or_default(int64_t value, int64_t fallback)
{
        return value > 0 ? value : fallback;
}

static struct libvirt_ssh *libvirt_ssh_new(const struct libvirt_ssh_options *options)
{
        struct libvirt_ssh *self = xcalloc(1, sizeof *self);
        self->hypervisor = (struct hypervisor){
                .ops = &operations,
                .name = xstrdup(options->name),
                .address = xstrdup(options->address),
        };
        self->target = (struct ssh_target){
                .address = self->hypervisor.address,
                .port = options->port,
                .user = xstrdup(options->user),
                .key = xstrdup(options->key),
                .known_hosts = xstrdup(options->known_hosts),
        };
        self->uri = xstrdup(options->uri);
        self->connect_timeout_ms =
                or_default(options->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
        self->call_timeout_ms = or_default(options->call_timeout_ms, DEFAULT_CALL_TIMEOUT_MS);
        self->agent_timeout_ms = or_default(options->agent_timeout_ms, DEFAULT_AGENT_TIMEOUT_MS);
        return self;
}

struct hypervisor *libvirt_ssh_connect(const struct libvirt_ssh_options *options,
                                       struct error **err)
{
        struct libvirt_ssh *self = libvirt_ssh_new(options);
        if (libvirt_ssh_init(err) == 0 && open_connections(self, err) == 0)
                return &self->hypervisor;
        (void)libvirt_ssh_named(&self->hypervisor, err);
        free_hypervisor(&self->hypervisor);
        return NULL;
}

/* Keeps libvirt from printing its errors: they are returned. */
static void print_nothing(void *data _unused_, virErrorPtr error _unused_)
{
}

static struct error *init_error;

/* All hypervisors of an inventory may be connected at once, with about ten descriptors each, but a
 * service starts with a limit of 1024. That limit exists for select(), which nothing here uses. */
static void allow_files(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= MOST_FILES)
                return;
        files.rlim_cur = files.rlim_max < MOST_FILES ? files.rlim_max : MOST_FILES;
        (void)setrlimit(RLIMIT_NOFILE, &files);
}

/* There is deliberately no libvirt event loop: a libvirt client before 9.10 crashes when a second
 * thread (the loop, sending a keepalive) uses a connection during a call, because the call's
 * temporary GSource outlives the stack that it points to. Nothing here needs events, and the
 * deadline of each call detects a dead peer. */
static void init_once(void)
{
        allow_files();
        virSetErrorFunc(NULL, print_nothing);
        if (virInitialize() < 0)
                libvirt_error_set(&init_error);
}

int libvirt_ssh_init(struct error **err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, init_once);
        if (!init_error)
                return 0;
        error_propagate(err, error_copy(init_error));
        return error_prefix(err, "libvirt's client library cannot be used");
}

unsigned libvirt_ssh_calls_left_behind(void)
{
        return service_threads_left_behind();
}
