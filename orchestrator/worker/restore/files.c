/* Renaming on the hypervisor: sets the replaced files aside, moves the new files into place, and
 * reverses both. Each script checks what exists and does only what is not done yet, so it can be
 * repeated after an interruption at any point. None ever renames over an existing file. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/scripts.h"

/* The script runs as a unit, so that a script whose worker died can be ended before its changes are
 * undone. */
static int run_script(const struct restore_journal *journal, struct hypervisor *host,
                      char *const *argv, struct error **err)
{
        _cleanup_free_ char *unit = xasprintf("%s-move", journal->tag);
        const struct exec_options options = { .timeout_ms = RESTORE_COMMAND_MS, .unit = unit };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (host->ops->exec(host, (const char *const *)argv, &options, &result, err) < 0)
                return -1;
        if (result.status == 0)
                return 0;
        _cleanup_free_ char *said = str_one_line(result.errors ? result.errors : "", 400);
        return error_set(err, ERROR_INTERNAL,
                         "the files of the restore on %s cannot be changed (status %d): %s",
                         host->name, result.status, said);
}

static char **argv_of(const char *script)
{
        const char *const head[] = { "sh", "-c", script, "orch-restore" };
        char **argv = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        return argv;
}

static int run_on_items(const char *script, const struct restore_journal *journal,
                        struct hypervisor *host, struct error **err)
{
        _cleanup_strv_ char **argv = argv_of(script);
        for (size_t i = 0; i < journal->n_items; i++) {
                strv_add(&argv, journal->items[i].temporary);
                strv_add(&argv, journal->items[i].path);
                strv_addf(&argv, "%ju", (uintmax_t)journal->items[i].inode);
        }
        return run_script(journal, host, argv, err);
}

static int run_on_asides(const char *script, const struct restore_journal *journal,
                         struct hypervisor *host, struct error **err)
{
        if (journal->n_asides == 0)
                return 0;
        _cleanup_strv_ char **argv = argv_of(script);
        for (size_t i = 0; i < journal->n_asides; i++) {
                strv_add(&argv, journal->asides[i].path);
                strv_add(&argv, journal->asides[i].aside);
        }
        return run_script(journal, host, argv, err);
}

int restore_set_aside(const struct restore_journal *journal, struct hypervisor *host,
                      struct error **err)
{
        return run_on_asides(set_aside_script, journal, host, err);
}

int restore_put_back(const struct restore_journal *journal, struct hypervisor *host,
                     struct error **err)
{
        return run_on_asides(put_back_script, journal, host, err);
}

int restore_remove_asides(const struct restore_journal *journal, struct hypervisor *host,
                          struct error **err)
{
        return run_on_asides(remove_set_aside_script, journal, host, err);
}

int restore_move_items(const struct restore_journal *journal, struct hypervisor *host,
                       struct error **err)
{
        return run_on_items(move_into_place_script, journal, host, err);
}

int restore_remove_items(const struct restore_journal *journal, struct hypervisor *host,
                         struct error **err)
{
        return run_on_items(remove_restored_script, journal, host, err);
}

/* Inode numbers identify the new files wherever they are, because a rename keeps them. */
static int read_inodes(struct restore *restore, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        static const char *const head[] = { "stat", "-c", "%i", "--" };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; i < restore->journal->n_items; i++)
                strv_add(&argv, restore->journal->items[i].temporary);
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(restore->job.host, (const char *const *)argv, RESTORE_COMMAND_MS,
                           &output, err) < 0)
                return -1;
        char *rest = output;
        for (size_t i = 0; i < restore->journal->n_items; i++) {
                const char *line = strsep(&rest, "\n");
                restore->journal->items[i].inode = line ? strtoull(line, NULL, 10) : 0;
                if (restore->journal->items[i].inode == 0)
                        return error_set(err, ERROR_INTERNAL, "%s did not tell what %s is",
                                         restore->job.host->name,
                                         restore->journal->items[i].temporary);
        }
        return 0;
}

int restore_move(struct restore *restore, struct error **err)
{
        struct hypervisor *aside_host =
                restore->original_xml ? restore->original_host : restore->job.host;
        if ((restore->original_xml && restore_check_off(restore, err) < 0) ||
            (restore->journal->n_items && read_inodes(restore, err) < 0))
                return -1;
        if (restore_enter_phase(restore, RESTORE_MOVING, err) < 0 ||
            restore_set_aside(restore->journal, aside_host, err) < 0)
                return -1;
        for (size_t i = 0; i < restore->journal->n_asides; i++)
                report_log(restore->job.report, "set aside on %s: %s", aside_host->name,
                           restore->journal->asides[i].aside);
        return restore_move_items(restore->journal, restore->job.host, err);
}
