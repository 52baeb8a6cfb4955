/* The conditions that the target has to meet before a byte is copied. Every failed check is
 * reported; the first one is the error. */
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/host-probe.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/scripts.h"

#define GIB (UINT64_C(1) << 30)

static void restore_check_verdict(struct restore *restore, enum check_name name,
                                  struct error *problem, struct error **first)
{
        if (!problem)
                return;
        report_check(restore->job.report, CHECK_BEFORE, name, CHECK_FAIL, "%s", problem->message);
        if (*first)
                error_free(problem);
        else
                *first = problem;
}

static void restore_check_share(struct restore *restore, const struct host_probe *probe,
                                struct error **first)
{
        struct error *problem = NULL;
        const char *host = restore->job.host_entry->name;
        if (!probe->mount_type)
                error_set(&problem, ERROR_REFUSED, "the share is not mounted on %s at %s", host,
                          restore->job.host_repository);
        else if (!streq(probe->repository_uuid, repository_uuid(restore->job.repository)))
                error_set(&problem, ERROR_REFUSED,
                          "%s on %s is another share (%s) than this orch's (%s)",
                          restore->job.host_repository, host,
                          probe->repository_uuid ? probe->repository_uuid : "no repository",
                          repository_uuid(restore->job.repository));
        else
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_ON_HYPERVISOR,
                             CHECK_PASS, "%s, %s", restore->job.host_repository, probe->mount_type);
        restore_check_verdict(restore, CHECK_NAME_SHARE_ON_HYPERVISOR, problem, first);
}

static void restore_check_tools(struct restore *restore, const struct host_probe *probe,
                                struct error **first)
{
        struct error *problem = NULL;
        _cleanup_free_ char *missing = strv_join(probe->missing_tools, ", ");
        if (*missing)
                error_set(&problem, ERROR_CONFIG, "%s lacks %s", restore->job.host_entry->name,
                          missing);
        else
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_HOST_TOOLS, CHECK_PASS,
                             "all there");
        restore_check_verdict(restore, CHECK_NAME_HOST_TOOLS, problem, first);
}

/* Folders that report the same number of free bytes are assumed to share a file system. If they do
 * not, the check asks for more room than is needed. */
static void restore_check_room(struct restore *restore, const struct host_probe *probe,
                               struct error **first)
{
        uint64_t low = (uint64_t)restore->job.settings->checks.hypervisor_low_water_gib * GIB;
        for (size_t i = 0; i < restore->n_disks; i++) {
                uint64_t free_bytes = probe->folder_free_bytes[i];
                uint64_t needed = 0;
                struct error *problem = NULL;
                _cleanup_free_ char *folder = path_directory(restore->disks[i].path);
                for (size_t j = 0; j < restore->n_disks; j++)
                        if (probe->folder_free_bytes[j] == free_bytes)
                                needed += restore->disks[j].needed_bytes;
                _cleanup_free_ char *free_text = format_bytes(free_bytes);
                _cleanup_free_ char *needed_text = format_bytes(needed);
                if (free_bytes == UINT64_MAX)
                        error_set(&problem, ERROR_CONFIG, "the folder %s does not exist on %s",
                                  folder, restore->job.host_entry->name);
                else if (free_bytes < needed + low)
                        error_set(&problem, ERROR_NOSPACE,
                                  "%s has %s free in %s, but %s are needed and %u GiB are to stay "
                                  "free: name another place with "
                                  "--images",
                                  restore->job.host_entry->name, free_text, folder, needed_text,
                                  restore->job.settings->checks.hypervisor_low_water_gib);
                else
                        report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_ROOM, CHECK_PASS,
                                     "%s: %s free, %s needed", folder, free_text, needed_text);
                bool failed = problem != NULL;
                restore_check_verdict(restore, CHECK_NAME_ROOM, problem, first);
                if (failed)
                        return;
        }
}

static void check_path(struct restore *restore, char kind, const char *path, bool may_be_set_aside,
                       struct error **first)
{
        struct error *problem = NULL;
        if (kind != '-' && !may_be_set_aside)
                error_set(&problem, ERROR_REFUSED,
                          "%s has %s already, and nothing is written over it: move it away, or "
                          "name another place with --images",
                          restore->job.host_entry->name, path);
        restore_check_verdict(restore, CHECK_NAME_PATHS_FREE, problem, first);
}

/* Firmware state that exists at the destination is an older state of the same machine and is set
 * aside. If the restored machine gets another name, that state may belong to any machine. Files are
 * only set aside on the host of the replaced machine, so that host has to be the target. */
static bool may_set_aside(const struct restore *restore)
{
        return !restore->new_machine &&
               (!restore->original_xml ||
                streq(restore->original_entry->name, restore->job.host_entry->name));
}

static void check_firmware_path(struct restore *restore, char kind,
                                struct restore_firmware *firmware, struct error **first)
{
        struct error *problem = NULL;
        firmware->replaces = kind != '-';
        if (firmware->replaces && !may_set_aside(restore))
                error_set(&problem, ERROR_REFUSED,
                          "%s has %s already, which may be another VM's %s state: move it away "
                          "when nobody needs it, and restore "
                          "again",
                          restore->job.host_entry->name, firmware->path, firmware->what);
        restore_check_verdict(restore, CHECK_NAME_PATHS_FREE, problem, first);
}

/* No existing file is overwritten: a file of the replaced machine is set aside, any other file
 * makes the check fail. */
static int check_paths(struct restore *restore, struct error **first, struct error **err)
{
        _cleanup_strv_ char **paths = NULL;
        for (size_t i = 0; i < restore->n_disks; i++)
                strv_add(&paths, restore->disks[i].path);
        if (restore->nvram.what)
                strv_add(&paths, restore->nvram.path);
        if (restore->tpm.what)
                strv_add(&paths, restore->tpm.path);
        _cleanup_free_ char *kinds = restore_look(restore->job.host, paths, err);
        if (!kinds)
                return -1;
        for (size_t i = 0; i < restore->n_disks; i++)
                check_path(restore, kinds[i], restore->disks[i].path,
                           streq(restore->disks[i].replaced, restore->disks[i].path), first);
        size_t at = restore->n_disks;
        if (restore->nvram.what)
                check_firmware_path(restore, kinds[at++], &restore->nvram, first);
        if (restore->tpm.what)
                check_firmware_path(restore, kinds[at], &restore->tpm, first);
        if (!*first)
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_PATHS_FREE, CHECK_PASS,
                             "%zu disks, none is written over another file", restore->n_disks);
        return 0;
}

/* All missing networks are reported in one error, because the user has to act on the whole list. */
static int check_networks(struct restore *restore, const struct domain_needs *needs,
                          struct error **first, struct error **err)
{
        _cleanup_strv_ char **missing = NULL;
        _cleanup_strv_ char **links = NULL;
        for (size_t i = 0; needs->networks && needs->networks[i]; i++) {
                bool active = false;
                int found = restore->job.host->ops->find_network(restore->job.host,
                                                                 needs->networks[i], &active, err);
                if (found < 0)
                        return -1;
                if (found == 0)
                        strv_addf(&missing, "network %s", needs->networks[i]);
                else if (!active && (restore->options.start || restore->options.instant))
                        strv_addf(&missing, "active network %s (virsh net-start %s)",
                                  needs->networks[i], needs->networks[i]);
                else if (!active)
                        report_warning(restore->job.report,
                                       "network %s of %s is not active: the VM cannot start before "
                                       "it is (virsh net-start "
                                       "%s)",
                                       needs->networks[i], restore->job.host_entry->name,
                                       needs->networks[i]);
        }
        for (size_t i = 0; needs->bridges && needs->bridges[i]; i++)
                strv_addf(&links, "/sys/class/net/%s", needs->bridges[i]);
        size_t n_bridges = strv_length(links);
        for (size_t i = 0; needs->interfaces && needs->interfaces[i]; i++)
                strv_addf(&links, "/sys/class/net/%s", needs->interfaces[i]);
        _cleanup_free_ char *kinds = restore_look(restore->job.host, links, err);
        if (!kinds)
                return -1;
        for (size_t i = 0; links && links[i]; i++)
                if (kinds[i] != 'd')
                        strv_addf(&missing, "%s %s", i < n_bridges ? "bridge" : "network interface",
                                  path_base(links[i]));
        struct error *problem = NULL;
        _cleanup_free_ char *list = strv_join(missing, ", ");
        if (missing)
                error_set(&problem, ERROR_REFUSED,
                          "%s has no %s, which the VM is connected to: make it there, or say "
                          "--network none, --network NET or "
                          "--network "
                          "OLD=NEW",
                          restore->job.host_entry->name, list);
        else
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_NETWORKS, CHECK_PASS,
                             "%zu networks and %zu bridges or interfaces are there",
                             strv_length(needs->networks), strv_length(links));
        restore_check_verdict(restore, CHECK_NAME_NETWORKS, problem, first);
        return 0;
}

static int check_files(struct restore *restore, const struct domain_needs *needs,
                       struct error **first, struct error **err)
{
        _cleanup_free_ char *kinds = restore_look(restore->job.host, needs->files, err);
        _cleanup_strv_ char **missing = NULL;
        if (!kinds)
                return -1;
        for (size_t i = 0; needs->files && needs->files[i]; i++)
                if (kinds[i] == '-')
                        strv_add(&missing, needs->files[i]);
        struct error *problem = NULL;
        _cleanup_free_ char *list = strv_join(missing, ", ");
        if (missing)
                error_set(&problem, ERROR_REFUSED, "%s lacks files that the VM is started with: %s",
                          restore->job.host_entry->name, list);
        else
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_HOST_FILES, CHECK_PASS,
                             "%zu files (emulator, firmware, kernel) are there",
                             strv_length(needs->files));
        restore_check_verdict(restore, CHECK_NAME_HOST_FILES, problem, first);
        return 0;
}

/* Without this check a missing swtpm would only be noticed when the VM is started, after hours of
 * copying. */
static int check_tpm(struct restore *restore, const struct domain_needs *needs,
                     struct error **first, struct error **err)
{
        static const char *const argv[] = { "sh", "-c", find_swtpm_script, NULL };
        _cleanup_free_ char *swtpm = NULL;
        struct error *problem = NULL;
        if (!needs->tpm_version)
                return 0;
        if (hypervisor_run(restore->job.host, argv, RESTORE_COMMAND_MS, &swtpm, err) < 0)
                return -1;
        if (streq(swtpm, "none"))
                error_set(&problem, ERROR_REFUSED,
                          "%s lacks swtpm, which emulates the TPM %s that the VM has: install it "
                          "there",
                          restore->job.host_entry->name, needs->tpm_version);
        else
                report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_TPM, CHECK_PASS,
                             "%s is there", swtpm);
        restore_check_verdict(restore, CHECK_NAME_TPM, problem, first);
        return 0;
}

/* A CD-ROM image that does not exist on the target would keep the VM from starting, so its drive is
 * left empty. */
static int check_media(struct restore *restore, const struct domain_needs *needs,
                       struct error **err)
{
        _cleanup_free_ char *kinds = restore_look(restore->job.host, needs->media, err);
        if (!kinds)
                return -1;
        for (size_t i = 0; needs->media && needs->media[i]; i++)
                if (kinds[i] == '-')
                        strv_add(&restore->eject, needs->media_targets[i]);
        return 0;
}

static int check_needs(struct restore *restore, struct error **first, struct error **err)
{
        if (restore_make_definition(restore, false, err) < 0)
                return -1;
        _cleanup_domain_needs_ struct domain_needs needs = { 0 };
        if (domain_needs_read(restore->definition, strlen(restore->definition), &needs, err) < 0 ||
            check_networks(restore, &needs, first, err) < 0 ||
            check_files(restore, &needs, first, err) < 0 ||
            check_tpm(restore, &needs, first, err) < 0 || check_media(restore, &needs, err) < 0)
                return -1;
        return restore_make_definition(restore, true, err);
}

static char **folders_of(const struct restore *restore)
{
        char **folders = NULL;
        for (size_t i = 0; i < restore->n_disks; i++) {
                _cleanup_free_ char *folder = path_directory(restore->disks[i].path);
                strv_add(&folders, folder);
        }
        return folders;
}

int restore_check(struct restore *restore, struct error **err)
{
        struct host_probe probe = { 0 };
        _cleanup_strv_ char **folders = folders_of(restore);
        _cleanup_error_ struct error *first = NULL;
        const struct host_probe_request request = { .repository = restore->job.host_repository,
                                                    .tag = restore->job.tag,
                                                    .folders = folders };
        if (host_probe_run(restore->job.host, &request, &probe, err) < 0)
                return -1;
        restore_check_share(restore, &probe, &first);
        restore_check_tools(restore, &probe, &first);
        restore_check_room(restore, &probe, &first);
        host_probe_done(&probe);
        if (check_paths(restore, &first, err) < 0 || check_needs(restore, &first, err) < 0)
                return -1;
        return first ? error_propagate(err, TAKE_PTR(first)) : 0;
}
