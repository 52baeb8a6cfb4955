/* The definition of the restored machine: it is made from the saved definition and passed to
 * libvirt. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/restore/restore-internal.h"

static struct rewrite_disk *rewrite_disks_of(const struct restore *restore)
{
        struct rewrite_disk *disks =
                xcalloc(restore->n_disks ? restore->n_disks : 1, sizeof *disks);
        for (size_t i = 0; i < restore->n_disks; i++) {
                disks[i] = (struct rewrite_disk){ .target = restore->disks[i].saved->target,
                                                  .path = restore->disks[i].path,
                                                  .format = restore->disks[i].format,
                                                  .no_label = restore->disks[i].layers != NULL };
                disks[i].backing =
                        restore->disks[i].layers
                                ? restore_rewrite_layers(&restore->disks[i], &disks[i].n_backing)
                                : NULL;
        }
        return disks;
}

static char *rewrite_for(const struct restore *restore, const struct rewrite *rewrite,
                         char ***ret_notes, struct error **err)
{
        _cleanup_free_ char *made = domain_rewrite(restore->xml_text, strlen(restore->xml_text),
                                                   rewrite, ret_notes, err);
        return made && restore->options.instant ? restore_borrowed(restore, made, err)
                                                : TAKE_PTR(made);
}

static void tell_notes(struct restore *restore, char *const *notes)
{
        for (size_t i = 0; notes && notes[i]; i++)
                report_log(restore->job.report, "definition: %s", notes[i]);
}

/* A misspelled network in a mapping is an error; otherwise the card would silently stay on the
 * network of the original. */
static int check_mapped_networks(const struct restore *restore, struct error **err)
{
        for (size_t i = 0; restore->options.network && restore->options.network[i]; i++) {
                const char *text = restore->options.network[i];
                const char *equals = strchr(text, '=');
                _cleanup_free_ char *from = equals ? xstrndup(text, (size_t)(equals - text)) : NULL;
                _cleanup_free_ char *has = strv_join(restore->xml->networks, ", ");
                if (from && !strv_contains(restore->xml->networks, from))
                        return error_set(
                                err, ERROR_CONFIG,
                                "--network %s: %s has no network card on %s; it has cards on: %s",
                                text, restore->job.request->vm, from,
                                *has ? has : "nothing that has a name");
        }
        return 0;
}

int restore_make_definition(struct restore *restore, bool tell, struct error **err)
{
        _cleanup_free_ struct rewrite_network_map *map = NULL;
        _cleanup_strv_ char **map_texts = NULL;
        _cleanup_strv_ char **notes = NULL;
        if (check_mapped_networks(restore, err) < 0)
                return -1;
        _cleanup_free_ struct rewrite_disk *disks = rewrite_disks_of(restore);
        struct rewrite rewrite = {
                .name = restore->name,
                .uuid = restore->job.uuid,
                .new_macs = restore->new_machine &&
                            (restore->original != ORIGINAL_GONE || restore->addresses_taken),
                .disks = disks,
                .n_disks = restore->n_disks,
                .keep = (const char *const *)restore->keep,
                .eject = (const char *const *)restore->eject,
                .nvram = restore->nvram.what ? restore->nvram.path : NULL,
        };
        restore_options_network(&restore->options, &rewrite.network, &map, &rewrite.n_map,
                                &map_texts);
        rewrite.map = map;
        free(restore->definition);
        restore->definition = rewrite_for(restore, &rewrite, &notes, err);
        for (size_t i = 0; i < restore->n_disks; i++)
                free((void *)(uintptr_t)disks[i].backing);
        if (!restore->definition)
                return error_prefix(err, "the definition of %s", restore->job.request->vm);
        if (tell)
                tell_notes(restore, notes);
        return 0;
}

/* The checkpoints of the replaced machine end with its definition. Its disks are new, so its next
 * backup is a full one. */
int restore_define(struct restore *restore, struct error **err)
{
        if (restore_enter_phase(restore, RESTORE_DEFINING, err) < 0)
                return -1;
        if (restore->original_xml && restore_check_off(restore, err) < 0)
                return -1;
        if (restore->original_xml && restore->original_host->ops->undefine(
                                             restore->original_host, restore->xml->uuid, err) < 0)
                return error_prefix(err, "the definition of the replaced %s",
                                    restore->job.request->vm);
        _cleanup_free_ char *uuid = NULL;
        if (restore->job.host->ops->define(restore->job.host, restore->definition, &uuid, err) < 0)
                return error_prefix(err, "%s cannot be defined on %s", restore->name,
                                    restore->job.host->name);
        bool autostart = restore->journal->original_file ? restore->journal->original_autostart
                                                         : restore->metadata->autostart;
        if (autostart && !restore->new_machine &&
            restore->job.host->ops->set_autostart(restore->job.host, restore->job.uuid, true, err) <
                    0)
                return -1;
        report_step_end(restore->job.report, STEP_DONE, "%s on %s%s", restore->name,
                        restore->job.host->name,
                        autostart && !restore->new_machine ? ", starts with its host" : "");
        return 0;
}
