/* `--instant`: the machine starts from the point itself, and its blocks are copied afterwards. Each
 * disk is an overlay at its final place, backed by the point's image on the share; QEMU pulls the
 * backing data into the overlay while the guest runs.
 *
 * The point is not written, chowned or relabelled: its images are opened read-only, below an
 * overlay, by a QEMU that runs as root for the duration of the pull, and the definition makes
 * libvirt leave owners and labels alone (schema/libvirt/domain-isolate.h). A lease protects the
 * point from pruning until no disk is backed by it, even if this process dies. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/image-check.h"
#include "schema/libvirt/domain-isolate.h"
#include "worker/host/scripts.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"

enum { CAPABILITIES_MAX_BYTES = 4 * 1024 * 1024 };

/* The images that back a disk, nearest first. Each image's header has to agree with the metadata,
 * so that QEMU opens no other file. */
static int find_layers(struct restore *restore, struct restore_disk *disk, struct error **err)
{
        const struct metadata_disk *image = disk->saved;
        for (size_t i = 0; restore->chain[i]; i++) {
                const struct point *point = restore_chain_point(restore, i);
                _cleanup_free_ char *here =
                        xasprintf("%s/%s/%s", repository_path(restore->job.repository), point->path,
                                  image->file);
                const struct image_expectation expected = { .virtual_bytes = image->virtual_bytes,
                                                            .backing_file = image->backing_file };
                if (image_check_header(here, &expected, worker_cancelled, NULL, err) < 0)
                        return -1;
                strv_addf(&disk->layers, "%s/%s/%s", restore->job.host_repository, point->path,
                          image->file);
                if (!image->backing_file)
                        return 0;
                const struct point *parent =
                        restore->chain[i + 1] ? restore_chain_point(restore, i + 1) : NULL;
                _cleanup_free_ char *folder = xasprintf("../%s/", parent ? parent->name : "");
                const char *file = parent && str_starts_with(image->backing_file, folder)
                                           ? image->backing_file + strlen(folder)
                                           : NULL;
                image = NULL;
                for (size_t j = 0; file && j < parent->metadata->n_disks; j++)
                        if (streq(parent->metadata->disks[j].file, file))
                                image = &parent->metadata->disks[j];
                if (!image)
                        break;
        }
        return error_set(err, ERROR_CORRUPT,
                         "%s does not stand on a disk of the points that %s is based on",
                         disk->saved->file, restore->point->name);
}

/* The security models of the hypervisor. Where one of them changes the owner of files, the
 * definition has to make libvirt leave the point's files alone. */
static int instant_read_models(struct restore *restore, struct error **err)
{
        const char *const argv[] = { "virsh", "-q", "-c", "qemu:///system", "capabilities", NULL };
        _cleanup_free_ char *xml = NULL;
        if (hypervisor_run(restore->job.host, argv, RESTORE_COMMAND_MS, &xml, err) < 0)
                return -1;
        if (strlen(xml) > CAPABILITIES_MAX_BYTES)
                return error_set(err, ERROR_CORRUPT,
                                 "%s tells more of its capabilities than can be",
                                 restore->job.host->name);
        return capabilities_read_models(xml, strlen(xml), &restore->models, err);
}

int restore_find_layers(struct restore *restore, struct error **err)
{
        if (!restore->options.instant)
                return 0;
        if (restore->n_disks == 0)
                return error_set(err, ERROR_REFUSED, "%s has no disk to start from",
                                 restore->point->path);
        for (size_t i = 0; i < restore->n_disks; i++)
                if (find_layers(restore, &restore->disks[i], err) < 0)
                        return error_prefix(err, "disk %s", restore->disks[i].saved->target);
        if (instant_read_models(restore, err) < 0)
                return -1;
        report_warning(restore->job.report,
                       "%s runs from the share until its disks are pulled to %s: if the share "
                       "stops answering before that, the "
                       "guest stalls; no backup of it is made meanwhile; its QEMU runs as root "
                       "until it is next started",
                       restore->name, restore->job.host->name);
        return 0;
}

int restore_lay_overlays(struct restore *restore, struct error **err)
{
        for (size_t i = 0; i < restore->n_disks; i++) {
                const struct restore_disk *disk = &restore->disks[i];
                const char *const argv[] = { "sh",
                                             "-c",
                                             overlay_create_script,
                                             "orch-overlay",
                                             disk->layers[0],
                                             disk->temporary,
                                             NULL };
                if (hypervisor_run(restore->job.host, argv, RESTORE_COMMAND_MS, NULL, err) < 0)
                        return error_prefix(err, "disk %s cannot be laid over the point on %s",
                                            disk->saved->target, restore->job.host->name);
        }
        return restore_copy_firmware(restore, err);
}

struct rewrite_layer *restore_rewrite_layers(const struct restore_disk *disk, size_t *ret_count)
{
        size_t count = strv_length(disk->layers);
        struct rewrite_layer *layers = xcalloc(count + 1, sizeof *layers);
        for (size_t i = 0; i < count; i++)
                layers[i] = (struct rewrite_layer){ .path = disk->layers[i], .format = "qcow2" };
        *ret_count = count;
        return layers;
}

char *restore_borrowed(const struct restore *restore, const char *definition, struct error **err)
{
        return domain_borrow(definition, strlen(definition), (const char *const *)restore->models,
                             err);
}
