/* Plans the destinations: the hypervisor, the name and UUID, a path for each disk and for firmware
 * state. A disk returns to its old path if that folder exists. With another name, format or folder,
 * the file name is made from the names of the VM and the disk. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/storage-pool.h"
#include "worker/host/scripts.h"
#include "worker/job/connect.h"
#include "worker/restore/restore-internal.h"

#define TPM_FOLDER "/var/lib/libvirt/swtpm"
#define NVRAM_FOLDER "/var/lib/libvirt/qemu/nvram"

/* -- the hypervisor -- */

static const struct inventory_hypervisor *choose_entry(struct restore *restore)
{
        const struct inventory *inventory = restore->job.inventory;
        const struct inventory_vm *vm = inventory_find_vm(inventory, restore->job.request->vm);
        if (restore->options.to)
                return worker_host_entry(inventory, restore->options.to, &restore->own_entries[0]);
        if (restore->original_xml)
                return restore->original_entry;
        if (vm && vm->hypervisor)
                return inventory_find_hypervisor(inventory, vm->hypervisor);
        return inventory_find_hypervisor(inventory, restore->metadata->hypervisor);
}

int restore_choose_target(struct restore *restore, struct error **err)
{
        restore->job.host_entry = choose_entry(restore);
        if (!restore->job.host_entry)
                return error_set(err, ERROR_CONFIG,
                                 "%s lived on %s, which the inventory does not have any more: name "
                                 "a hypervisor with --to",
                                 restore->job.request->vm, restore->metadata->hypervisor);
        restore->job.host_repository =
                worker_host_repository(restore->job.settings, restore->job.host_entry);
        if (restore->original_host &&
            streq(restore->original_entry->name, restore->job.host_entry->name))
                restore->job.host = restore->original_host;
        else
                restore->job.host =
                        worker_connect(restore->job.settings, restore->job.host_entry, 0, err);
        if (!restore->job.host)
                return -1;
        struct hypervisor_versions versions = { 0 };
        if (restore->job.host->ops->versions(restore->job.host, &versions, err) < 0)
                return -1;
        report_step_end(restore->job.report, STEP_DONE,
                        "%s, libvirt %lu.%lu, QEMU %lu.%lu (the backup: %s, %s)",
                        restore->job.host_entry->name, versions.libvirt / 1000000,
                        versions.libvirt / 1000 % 1000, versions.qemu / 1000000,
                        versions.qemu / 1000 % 1000,
                        restore->metadata->libvirt_version ? restore->metadata->libvirt_version
                                                           : "?",
                        restore->metadata->qemu_version ? restore->metadata->qemu_version : "?");
        return 0;
}

char *restore_look(struct hypervisor *host, char *const *paths, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        const char *const head[] = { "sh", "-c", file_kinds_script, "orch-look" };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; paths && paths[i]; i++)
                strv_add(&argv, paths[i]);
        _cleanup_free_ char *kinds = NULL;
        if (hypervisor_run(host, (const char *const *)argv, RESTORE_COMMAND_MS, &kinds, err) < 0)
                return NULL;
        if (strlen(kinds) != strv_length(paths)) {
                error_set(err, ERROR_INTERNAL,
                          "%s gave an answer that cannot be read when asked what is there",
                          host->name);
                return NULL;
        }
        return TAKE_PTR(kinds);
}

/* -- disks -- */

static char random_hex(void)
{
        unsigned char byte = 0;
        if (getentropy(&byte, 1) < 0)
                abort();
        return "0123456789abcdef"[byte % 16];
}

/* Makes a random UUID (RFC 4122, version 4). The caller frees. */
static char *new_uuid(void)
{
        char *uuid = xstrdup("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx");
        for (char *c = uuid; *c; c++)
                if (*c == 'x')
                        *c = random_hex();
        return uuid;
}

static bool is_wanted(const struct restore *restore, const char *target)
{
        return !restore->options.disks || !restore->options.disks[0] ||
               strv_contains(restore->options.disks, target);
}

static int check_wanted_disks(const struct restore *restore, struct error **err)
{
        for (size_t i = 0; restore->options.disks && restore->options.disks[i]; i++) {
                bool found = false;
                _cleanup_strv_ char **has = NULL;
                for (size_t j = 0; j < restore->metadata->n_disks; j++) {
                        strv_add(&has, restore->metadata->disks[j].target);
                        found = found || streq(restore->metadata->disks[j].target,
                                               restore->options.disks[i]);
                }
                _cleanup_free_ char *list = strv_join(has, ", ");
                if (!found)
                        return error_set(err, ERROR_CONFIG,
                                         "the point %s has no disk %s; it has: %s",
                                         restore->point->name, restore->options.disks[i], list);
        }
        return 0;
}

/* Finds the folder of --images. NULL without an error if the option was not given. */
static int find_folder(struct restore *restore, struct error **err)
{
        const char *images = restore->options.images;
        restore->folder =
                xstrdup(images && images[0] == '/' ? images : restore->job.host_entry->scratch);
        if (!images || images[0] == '/')
                return 0;
        _cleanup_free_ char *xml = NULL;
        int found = restore->job.host->ops->find_pool(restore->job.host, images, &xml, err);
        if (found == 0)
                return error_set(
                        err, ERROR_CONFIG,
                        "%s has no storage pool named %s (virsh pool-list --all shows them)",
                        restore->job.host->name, images);
        if (found < 0)
                return -1;
        free(restore->folder);
        restore->folder = storage_pool_folder(xml, strlen(xml), err);
        return restore->folder ? 0 : error_prefix(err, "%s: %s", restore->job.host->name, images);
}

static char *made_path(const struct restore *restore, const char *folder,
                       const struct restore_disk *disk)
{
        return xasprintf("%s/%s-%s.%s", folder, restore->name, disk->saved->target,
                         streq(disk->format, "qcow2") ? "qcow2" : "raw");
}

/* The file on the target in which the replaced machine has this disk; NULL: none. */
static const char *replaced_file(const struct restore *restore, const char *target)
{
        const struct domain_disk *disk =
                restore->original_xml ? domain_xml_find_disk(restore->original_xml, target) : NULL;
        bool here = disk && streq(restore->original_entry->name, restore->job.host_entry->name);
        return here && disk->source == DISK_SOURCE_FILE ? disk->path : NULL;
}

/* `kinds`: the kinds of the folders in which the disks were, in the order of the disks. */
static char *choose_path(const struct restore *restore, const struct restore_disk *disk,
                         char folder_kind)
{
        const struct metadata_disk *saved = disk->saved;
        const char *was = replaced_file(restore, saved->target);
        if (!was && !streq(saved->source_type, "block"))
                was = saved->source_path;
        bool folder_is_there =
                was && (folder_kind == 'd' || was == replaced_file(restore, saved->target));
        if (restore->options.images || !folder_is_there)
                return made_path(restore, restore->folder, disk);
        if (!restore->new_machine && streq(disk->format, saved->source_format))
                return xstrdup(was);
        _cleanup_free_ char *folder = path_directory(was);
        return made_path(restore, folder, disk);
}

static char *temporary_path(const struct restore *restore, const char *path, const char *what)
{
        _cleanup_free_ char *folder = path_directory(path);
        return xasprintf("%s/.%s.%s.restoring", folder, what, restore->job.tag);
}

static uint64_t needed_bytes(const struct metadata_disk *saved)
{
        uint64_t bytes = saved->allocated_bytes > saved->stored_bytes ? saved->allocated_bytes
                                                                      : saved->stored_bytes;
        return bytes ? bytes : saved->virtual_bytes;
}

static void restore_plan_disk(struct restore *restore, const struct metadata_disk *saved,
                              char folder_kind)
{
        restore->disks =
                xrealloc_array(restore->disks, restore->n_disks + 1, sizeof *restore->disks);
        struct restore_disk *disk = &restore->disks[restore->n_disks++];
        *disk = (struct restore_disk){
                .saved = saved,
                .image = xasprintf("%s/%s/%s", restore->job.host_repository, restore->point->path,
                                   saved->file),
                .format = xstrdup(restore->options.instant  ? "qcow2"
                                  : restore->options.format ? restore->options.format
                                                            : saved->source_format),
                .needed_bytes = needed_bytes(saved),
        };
        disk->path = choose_path(restore, disk, folder_kind);
        disk->temporary = temporary_path(restore, disk->path, saved->target);
        disk->replaced = xstrdup(replaced_file(restore, saved->target));
}

static int plan_disks(struct restore *restore, struct error **err)
{
        _cleanup_strv_ char **folders = NULL;
        for (size_t i = 0; i < restore->metadata->n_disks; i++) {
                const char *was = restore->metadata->disks[i].source_path;
                _cleanup_free_ char *folder =
                        path_directory(was && was[0] == '/' ? was : "/nowhere/");
                strv_add(&folders, folder);
        }
        _cleanup_free_ char *kinds = restore_look(restore->job.host, folders, err);
        if (!kinds)
                return -1;
        for (size_t i = 0; i < restore->metadata->n_disks; i++)
                if (is_wanted(restore, restore->metadata->disks[i].target))
                        restore_plan_disk(restore, &restore->metadata->disks[i], kinds[i]);
        return 0;
}

/* Finds the disks of a replaced machine that are not restored and are still the ones that the saved
 * definition names. They stay in the definition. */
static void find_kept(struct restore *restore)
{
        for (size_t i = 0; restore->original_xml && i < restore->xml->n_disks; i++) {
                const struct domain_disk *saved = &restore->xml->disks[i];
                const struct domain_disk *now =
                        domain_xml_find_disk(restore->original_xml, saved->target);
                bool here = streq(restore->original_entry->name, restore->job.host_entry->name);
                if (here && now && !restore_find_disk(restore, saved->target) &&
                    streq(now->path, saved->path) && streq(now->source_type, saved->source_type) &&
                    streq(now->format, saved->format))
                        strv_add(&restore->keep, saved->target);
        }
}

/* -- firmware -- */

static char *saved_on_host(const struct restore *restore, const char *file)
{
        return xasprintf("%s/%s/%s", restore->job.host_repository, restore->point->path, file);
}

static void plan_nvram(struct restore *restore)
{
        const struct metadata *metadata = restore->metadata;
        if (!metadata->nvram_file || !restore->xml->nvram)
                return;
        bool has_path = metadata->nvram_path && metadata->nvram_path[0] == '/';
        _cleanup_free_ char *folder =
                has_path ? path_directory(metadata->nvram_path) : xstrdup(NVRAM_FOLDER);
        restore->nvram.what = "NVRAM";
        restore->nvram.saved = saved_on_host(restore, metadata->nvram_file);
        restore->nvram.path = has_path && !restore->new_machine
                                      ? xstrdup(metadata->nvram_path)
                                      : xasprintf("%s/%s_VARS.fd", folder, restore->name);
        restore->nvram.temporary = temporary_path(restore, restore->nvram.path, "nvram");
}

static void plan_tpm(struct restore *restore)
{
        if (!restore->metadata->tpm_folder || !restore->xml->has_tpm_emulator)
                return;
        restore->tpm.what = "TPM";
        restore->tpm.saved = saved_on_host(restore, restore->metadata->tpm_folder);
        restore->tpm.path = xasprintf(TPM_FOLDER "/%s", restore->job.uuid);
        restore->tpm.temporary = temporary_path(restore, restore->tpm.path, "tpm");
}

int restore_plan(struct restore *restore, struct error **err)
{
        restore->job.uuid = restore->new_machine ? new_uuid() : xstrdup(restore->xml->uuid);
        if (check_wanted_disks(restore, err) < 0 || find_folder(restore, err) < 0 ||
            plan_disks(restore, err) < 0)
                return -1;
        find_kept(restore);
        if (restore->n_disks == 0 && !restore->keep)
                return error_set(err, ERROR_REFUSED,
                                 "the point %s holds the configuration alone (config_only), and a "
                                 "VM without disks is none: its XML is to "
                                 "be had by --export, all of it in the folder %s of the share",
                                 restore->point->name, restore->point->path);
        plan_nvram(restore);
        plan_tpm(restore);
        for (size_t i = 0; i < restore->n_disks; i++)
                report_log(restore->job.report, "disk %s goes to %s as %s%s%s",
                           restore->disks[i].saved->target, restore->disks[i].path,
                           restore->disks[i].format,
                           restore->disks[i].replaced ? "; set aside: " : "",
                           restore->disks[i].replaced ? restore->disks[i].replaced : "");
        report_step_end(restore->job.report, STEP_DONE, "%s, UUID %s, %zu disks", restore->name,
                        restore->job.uuid, restore->n_disks);
        return 0;
}
