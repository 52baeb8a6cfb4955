/* Finds where the point's machine is now, and which other machine has the name of the restored one.
 * All hypervisors of the inventory are asked at once, with a short deadline. A hypervisor that does
 * not answer may have the machine; silence never counts as "it is gone". */
#include <pthread.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/connect.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/scripts.h"

enum { CONNECT_MS = 8000 };

struct inquiry {
        const struct settings *settings;
        const struct inventory_hypervisor *entry;
        const char *uuid;
        const char *name; /* the restored domain's */
        pthread_t thread;
        struct hypervisor *host;
        int has_uuid; /* 1: yes, 0: no, -1: unknown */
        int has_name;
        struct domain_info by_uuid;
        struct domain_info by_name;
        struct error *error;
};

static void *inquiry_run(void *data)
{
        struct inquiry *inquiry = data;
        inquiry->has_uuid = inquiry->has_name = -1;
        inquiry->host =
                worker_connect(inquiry->settings, inquiry->entry, CONNECT_MS, &inquiry->error);
        if (!inquiry->host)
                return NULL;
        const struct hypervisor_operations *ops = inquiry->host->ops;
        inquiry->has_uuid = ops->find_domain(inquiry->host, inquiry->uuid, NULL, &inquiry->by_uuid,
                                             &inquiry->error);
        if (inquiry->has_uuid >= 0)
                inquiry->has_name = ops->find_domain(inquiry->host, NULL, inquiry->name,
                                                     &inquiry->by_name, &inquiry->error);
        return NULL;
}

static void inquiries_free(struct inquiry *inquiries, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                hypervisor_free(inquiries[i].host);
                domain_info_done(&inquiries[i].by_uuid);
                domain_info_done(&inquiries[i].by_name);
                error_free(inquiries[i].error);
        }
        free(inquiries);
}

/* All hypervisors of the inventory. The target and the original's hypervisor are added if the
 * inventory does not (or no longer) contain them. */
static struct inquiry *list_inquiries(struct restore *restore, size_t *ret_count)
{
        const struct inventory *inventory = restore->job.inventory;
        const char *const others[] = { restore->options.to, restore->metadata->hypervisor,
                                       restore->metadata->ran_on };
        size_t count = inventory->n_hypervisors;
        struct inquiry *inquiries = xcalloc(count + ARRAY_LENGTH(others), sizeof *inquiries);
        for (size_t i = 0; i < count; i++)
                inquiries[i].entry = &inventory->hypervisors[i];
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
                bool listed = !others[i];
                for (size_t j = 0; !listed && j < count; j++)
                        listed = streq(inquiries[j].entry->name, others[i]);
                if (!listed)
                        inquiries[count++].entry =
                                worker_host_entry(inventory, others[i], &restore->own_entries[i]);
        }
        *ret_count = count;
        return inquiries;
}

static struct inquiry *ask_everywhere(struct restore *restore, size_t *ret_count)
{
        size_t count = 0;
        struct inquiry *inquiries = list_inquiries(restore, &count);
        for (size_t i = 0; i < count; i++) {
                inquiries[i].settings = restore->job.settings;
                inquiries[i].uuid = restore->xml->uuid;
                inquiries[i].name = restore->name;
                if (pthread_create(&inquiries[i].thread, NULL, inquiry_run, &inquiries[i]) != 0)
                        abort();
        }
        for (size_t i = 0; i < count; i++)
                pthread_join(inquiries[i].thread, NULL);
        *ret_count = count;
        return inquiries;
}

/* A different machine with the same name is always a conflict: it is never touched, whatever the
 * options are. */
static int check_namesakes(const struct restore *restore, const struct inquiry *inquiries,
                           size_t count, struct error **err)
{
        for (size_t i = 0; i < count; i++) {
                const struct inquiry *inquiry = &inquiries[i];
                if (inquiry->has_name != 1 ||
                    (!restore->new_machine && streq(inquiry->by_name.uuid, restore->xml->uuid)))
                        continue;
                return error_set(err, ERROR_REFUSED,
                                 "%s has a VM named %s already (UUID %s, %s)%s: restore under a "
                                 "name that is free: orch restore %s "
                                 "%s --name NEW",
                                 inquiry->entry->name, restore->name, inquiry->by_name.uuid,
                                 domain_state_name(inquiry->by_name.state),
                                 restore->new_machine
                                         ? ""
                                         : ", which is another machine than the one in the backup",
                                 restore->job.request->vm, restore->point->name);
        }
        return 0;
}

/* The addresses of a machine that is gone are free, unless another machine has got them since, for
 * example one that was restored under another name. *ret_holder: the machine that has one of them,
 * on that inquiry's host; NULL: none. */
static int find_address_holder(const struct restore *restore, const struct inquiry *inquiry,
                               char **ret_holder, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        const char *const head[] = { "sh", "-c", find_address_holder_script, "orch-addresses" };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; restore->xml->macs[i]; i++)
                strv_add(&argv, restore->xml->macs[i]);
        _cleanup_free_ char *file = NULL;
        if (hypervisor_run(inquiry->host, (const char *const *)argv, RESTORE_COMMAND_MS, &file,
                           err) < 0)
                return -1;
        file[strcspn(file, "\n")] = '\0';
        if (str_ends_with(file, ".xml"))
                file[strlen(file) - strlen(".xml")] = '\0';
        *ret_holder = *file ? xasprintf("%s on %s", path_base(file), inquiry->entry->name) : NULL;
        return 0;
}

/* No address may exist twice: a second machine gets new addresses, and the original is refused
 * while another machine has its addresses. */
static int check_addresses(struct restore *restore, const struct inquiry *inquiries, size_t count,
                           struct error **err)
{
        _cleanup_free_ char *holder = NULL;
        if (restore->original != ORIGINAL_GONE || !restore->xml->macs ||
            restore_drops_cards(restore))
                return 0;
        for (size_t i = 0; i < count && !holder; i++)
                if (inquiries[i].host &&
                    find_address_holder(restore, &inquiries[i], &holder, err) < 0)
                        return -1;
        restore->addresses_taken = holder != NULL;
        if (!holder)
                return 0;
        if (!restore->new_machine)
                return error_set(err, ERROR_REFUSED,
                                 "an address of the network cards of %s is that of %s meanwhile: "
                                 "give that one another, or restore "
                                 "with --network none, or beside it: --name NEW",
                                 restore->job.request->vm, holder);
        report_log(restore->job.report,
                   "its network cards get new addresses: those of the point are used by %s",
                   holder);
        return 0;
}

static void take_original(struct restore *restore, struct inquiry *inquiry)
{
        restore->original = ORIGINAL_PRESENT;
        restore->original_entry = inquiry->entry;
        restore->original_host = TAKE_PTR(inquiry->host);
        restore->original_info = inquiry->by_uuid;
        inquiry->by_uuid = (struct domain_info){ 0 };
}

static int original_judge(struct restore *restore, struct inquiry *inquiries, size_t count,
                          struct error **err)
{
        struct inquiry *found = NULL;
        for (size_t i = 0; i < count; i++) {
                struct inquiry *inquiry = &inquiries[i];
                if (inquiry->has_uuid == 1 && found && !restore->new_machine)
                        return error_set(
                                err, ERROR_REFUSED,
                                "both %s and %s have %s (UUID %s): clear up first which one it is",
                                found->entry->name, inquiry->entry->name, restore->job.request->vm,
                                restore->xml->uuid);
                if (inquiry->has_uuid == 1)
                        found = inquiry;
                else if (inquiry->has_uuid < 0 && !restore->unknown_because)
                        restore->unknown_because =
                                xasprintf("%s does not answer (%s)", inquiry->entry->name,
                                          error_message(inquiry->error));
        }
        if (found)
                take_original(restore, found);
        else if (restore->unknown_because)
                restore->original =
                        restore->options.original_gone ? ORIGINAL_GONE : ORIGINAL_UNKNOWN;
        if (check_namesakes(restore, inquiries, count, err) < 0)
                return -1;
        return check_addresses(restore, inquiries, count, err);
}

/* Refuses if the machine exists already, because it must not exist twice. */
static int refuse_second(const struct restore *restore, struct error **err)
{
        const char *vm = restore->job.request->vm;
        const char *point = restore->point->name;
        if (restore->new_machine)
                return 0;
        if (restore->original == ORIGINAL_PRESENT && !restore->options.replace)
                return error_set(err, ERROR_REFUSED,
                                 "%s is on %s (UUID %s, %s). To restore beside it: orch restore %s "
                                 "%s --name NEW. To replace it: orch "
                                 "restore %s %s --replace",
                                 restore->original_info.name, restore->original_entry->name,
                                 restore->xml->uuid,
                                 domain_state_name(restore->original_info.state), vm, point, vm,
                                 point);
        if (restore->original == ORIGINAL_UNKNOWN)
                return error_set(
                        err, ERROR_REFUSED,
                        "whether %s still runs cannot be learnt: %s. To restore beside it: orch "
                        "restore %s %s --name NEW. If you "
                        "know that it does not run any more and never will: --original-gone",
                        vm, restore->unknown_because, vm, point);
        return 0;
}

/* Refuses to replace a machine if that would lose something that is not set aside. */
static int check_settled(const struct restore *restore, const struct domain_info *info,
                         struct error **err)
{
        const char *vm = restore->job.request->vm;
        _cleanup_strv_ char **snapshots = NULL;
        if (info->has_managed_save)
                return error_set(err, ERROR_REFUSED,
                                 "%s on %s has a saved memory state, which fits its present disks "
                                 "only: start it, or drop the state there "
                                 "(virsh managedsave-remove %s), and restore then",
                                 vm, restore->original_entry->name, info->name);
        if (info->job)
                return error_set(err, ERROR_BUSY,
                                 "%s on %s is being worked on (%s): restore when that is over", vm,
                                 restore->original_entry->name, info->job);
        if (restore->original_host->ops->list_snapshots(restore->original_host, restore->xml->uuid,
                                                        &snapshots, err) < 0)
                return -1;
        if (snapshots && snapshots[0])
                return error_set(err, ERROR_REFUSED,
                                 "%s on %s has snapshots (%s), which fit its present disks only: "
                                 "remove them first (virsh snapshot-list %s)",
                                 vm, restore->original_entry->name, snapshots[0], info->name);
        return 0;
}

static int check_replaceable(struct restore *restore, struct error **err)
{
        if (restore_refuse_pulled(restore->job.repository, restore->xml->uuid,
                                  "it is not replaced before", err) < 0 ||
            check_settled(restore, &restore->original_info, err) < 0)
                return -1;
        if (restore->original_host->ops->get_xml(restore->original_host, restore->xml->uuid, true,
                                                 true, &restore->original_xml_text, err) < 0)
                return -1;
        restore->original_xml = domain_xml_parse(restore->original_xml_text,
                                                 strlen(restore->original_xml_text), err);
        return restore->original_xml ? 0 : -1;
}

/* Whether the files that are set aside are all the files that the machine uses. */
static bool has_same_files(const struct domain_xml *a, const struct domain_xml *b)
{
        bool same = a->n_disks == b->n_disks && streq(a->nvram, b->nvram);
        for (size_t i = 0; same && i < a->n_disks; i++) {
                const struct domain_disk *other = domain_xml_find_disk(b, a->disks[i].target);
                same = other && streq(other->path, a->disks[i].path) &&
                       streq(other->source_type, a->disks[i].source_type);
        }
        return same;
}

/* The original was inspected hours ago. A rollback has to restore its present definition, so it is
 * read again. */
static int original_probe_again(struct restore *restore, const struct domain_info *info,
                                struct error **err)
{
        _cleanup_free_ char *text = NULL;
        if (check_settled(restore, info, err) < 0 ||
            restore->original_host->ops->get_xml(restore->original_host, restore->xml->uuid, true,
                                                 true, &text, err) < 0)
                return -1;
        _cleanup_(domain_xml_freep) struct domain_xml *now =
                domain_xml_parse(text, strlen(text), err);
        if (!now)
                return -1;
        if (!has_same_files(restore->original_xml, now))
                return error_set(
                        err, ERROR_BUSY,
                        "the disks of %s on %s are others than when this restore began (a "
                        "snapshot, a backup by other "
                        "means, a change of its definition): restore again when they are settled",
                        restore->job.request->vm, restore->original_entry->name);
        restore->journal->original_ran =
                info->state == DOMAIN_STATE_RUNNING || info->state == DOMAIN_STATE_PAUSED;
        if (streq(text, restore->original_xml_text))
                return 0;
        report_log(
                restore->job.report,
                "the definition of %s was changed since this restore began: the newer one is kept",
                restore->job.request->vm);
        return restores_write_original(restore->job.repository, restore->journal, text, err);
}

int restore_look_again(struct restore *restore, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = restore->original_host->ops->find_domain(restore->original_host,
                                                             restore->xml->uuid, NULL, &info, err);
        if (found == 0)
                error_set(err, ERROR_REFUSED, "it is not there any more");
        if (found <= 0 || original_probe_again(restore, &info, err) < 0)
                return error_prefix(err, "%s on %s is not replaced, and was left as it is",
                                    restore->job.request->vm, restore->original_entry->name);
        return 0;
}

int restore_check_off(const struct restore *restore, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = restore->original_host->ops->find_domain(restore->original_host,
                                                             restore->xml->uuid, NULL, &info, err);
        if (found <= 0)
                return found;
        if (!domain_state_is_off(info.state))
                return error_set(err, ERROR_REFUSED,
                                 "%s on %s was shut off to be replaced, and somebody started it "
                                 "again (a cluster manager?): see that "
                                 "nobody does, and restore again",
                                 restore->job.request->vm, restore->original_entry->name);
        return info.has_managed_save ? check_settled(restore, &info, err) : 0;
}

int restore_find_original(struct restore *restore, struct error **err)
{
        size_t count = 0;
        restore->new_machine = restore->options.name != NULL;
        restore->name = xstrdup(restore->options.name ? restore->options.name : restore->xml->name);
        struct inquiry *inquiries = ask_everywhere(restore, &count);
        int r = original_judge(restore, inquiries, count, err);
        inquiries_free(inquiries, count);
        if (r < 0 || refuse_second(restore, err) < 0)
                return -1;
        bool replaces = restore->options.replace && restore->original == ORIGINAL_PRESENT;
        if (replaces && check_replaceable(restore, err) < 0)
                return -1;
        if (restore->original == ORIGINAL_PRESENT)
                report_step_end(restore->job.report, STEP_DONE, "%s is on %s, %s%s",
                                restore->original_info.name, restore->original_entry->name,
                                domain_state_name(restore->original_info.state),
                                replaces ? ": it is replaced" : "");
        else if (restore->original == ORIGINAL_UNKNOWN)
                report_step_end(restore->job.report, STEP_DONE, "it counts as running: %s",
                                restore->unknown_because);
        else
                report_step_end(restore->job.report, STEP_DONE, "no hypervisor%s has it",
                                restore->unknown_because ? " that answers" : "");
        return 0;
}
