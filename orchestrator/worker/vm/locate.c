/* Locates the VM by its pinned UUID (by name at its first backup), on its home hypervisor first,
 * then on the others, because VMs migrate. The other hypervisors are asked in parallel with a short
 * deadline. Two running copies of one UUID are refused, because one of them is not the machine that
 * its owner means. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/deadman.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/vm/vm-job.h"

enum { HOME_CONNECT_MS = 15000, OTHERS_CONNECT_MS = 5000 };

struct search {
        const struct settings *settings;
        const struct inventory_hypervisor *entry;
        const char *uuid; /* NULL: by name */
        const char *domain;
        int64_t connect_ms;
        /* not NULL: on hypervisors where it does not run, traces of freezes are searched for,
         * too */
        const char *short_uuid;
        pthread_t thread;
        int found; /* 1: yes, 0: no, -1: unknown */
        struct hypervisor *host;
        struct domain_info info;
        bool has_traces; /* jobs of ours left traces of freezes, and the VM no longer runs there */
        struct error *error;
};

static bool is_active(const struct domain_info *info)
{
        return info->state == DOMAIN_STATE_RUNNING || info->state == DOMAIN_STATE_PAUSED;
}

/* Traces that cannot be read now are found by the next recovery. */
static bool find_traces(const struct search *search)
{
        struct deadman_traces traces = { 0 };
        bool found =
                deadman_find(search->host, search->short_uuid, search->uuid, &traces, NULL) == 0 &&
                (traces.armed || traces.stale || traces.fired);
        deadman_traces_done(&traces);
        return found;
}

static void *search_one(void *data)
{
        struct search *search = data;
        search->found = -1;
        search->host =
                worker_connect(search->settings, search->entry, search->connect_ms, &search->error);
        if (search->host)
                search->found = search->host->ops->find_domain(
                        search->host, search->uuid, search->domain, &search->info, &search->error);
        bool runs_here = search->found == 1 && is_active(&search->info);
        if (search->host && search->uuid && search->short_uuid && !runs_here)
                search->has_traces = find_traces(search);
        return NULL;
}

static void searches_free(struct search *searches, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                hypervisor_free(searches[i].host);
                domain_info_done(&searches[i].info);
                error_free(searches[i].error);
        }
        free(searches);
}

/* While a VM is being migrated, it exists on both hypervisors and does not run on one of them
 * yet. */
static int refuse_two(const struct vm_job *job, const struct search *one,
                      const struct search *other, struct error **err)
{
        if (streq(one->info.job, "migration") || streq(other->info.job, "migration"))
                return error_set(err, ERROR_BUSY,
                                 "%s is being moved between %s and %s: wait until that has ended "
                                 "(virsh domjobinfo %s)",
                                 job->vm->name, one->entry->name, other->entry->name,
                                 job->vm->domain);
        return error_set(err, ERROR_REFUSED,
                         "%s (UUID %s) runs on both %s and %s: two running copies write to the "
                         "same disks or are not the same "
                         "machine; stop the one that is wrong, then run this again",
                         job->vm->name, other->info.uuid, one->entry->name, other->entry->name);
}

/* Selects a search: the one with the running copy, else any that found the VM; -1: none. Two
 * running copies are an error. */
static int locate_choose_host(const struct vm_job *job, struct search *searches, size_t count,
                              ssize_t *ret_index, struct error **err)
{
        ssize_t best = -1;
        for (size_t i = 0; i < count; i++) {
                if (searches[i].found != 1)
                        continue;
                if (best >= 0 && is_active(&searches[i].info) && is_active(&searches[best].info))
                        return refuse_two(job, &searches[best], &searches[i], err);
                if (best < 0 || is_active(&searches[i].info))
                        best = (ssize_t)i;
        }
        *ret_index = best;
        return 0;
}

/* One search per hypervisor of the inventory except the one on which it was found, the home first,
 * all in parallel. `short_uuid`: of the repository, or NULL. */
static struct search *search_everywhere(struct vm_job *job, const char *short_uuid,
                                        size_t *ret_count)
{
        size_t n = job->inventory->n_hypervisors;
        const char *uuid = job->uuid ? job->uuid : job->request->pinned_uuid;
        struct search *searches = xcalloc(n + 1, sizeof *searches);
        size_t count = 0;
        for (int pass = 0; pass < 2; pass++) {
                for (size_t i = 0; i < n; i++) {
                        const struct inventory_hypervisor *entry = &job->inventory->hypervisors[i];
                        if (entry != job->host_entry &&
                            streq(entry->name, job->home) == (pass == 0))
                                searches[count++] =
                                        (struct search){ .settings = job->settings,
                                                         .entry = entry,
                                                         .uuid = uuid,
                                                         .domain = job->vm->domain,
                                                         .short_uuid = short_uuid,
                                                         .connect_ms =
                                                                 pass == 0 ? HOME_CONNECT_MS
                                                                           : OTHERS_CONNECT_MS };
                }
        }
        for (size_t i = 0; i < count; i++)
                if (pthread_create(&searches[i].thread, NULL, search_one, &searches[i]) != 0)
                        abort();
        for (size_t i = 0; i < count; i++)
                pthread_join(searches[i].thread, NULL);
        *ret_count = count;
        return searches;
}

/* If no VM has that UUID, but one has the name, the error says so instead of "not found". */
static int not_found(struct vm_job *job, struct search *searches, size_t count, struct error **err)
{
        const char *name = job->vm->name;
        for (size_t i = 0; i < count; i++) {
                if (!searches[i].host || !job->request->pinned_uuid)
                        continue;
                _cleanup_domain_info_ struct domain_info info = { 0 };
                if (searches[i].host->ops->find_domain(searches[i].host, NULL, job->vm->domain,
                                                       &info, NULL) == 1)
                        return error_set(err, ERROR_REFUSED,
                                         "a VM named %s is on %s, but it is another machine: its "
                                         "UUID is %s, and the one backed up "
                                         "so far is "
                                         "%s. If it was recreated on purpose, run: orch backup vm "
                                         "%s --accept-new-uuid",
                                         name, searches[i].entry->name, info.uuid,
                                         job->request->pinned_uuid, name);
        }
        for (size_t i = 0; i < count; i++) {
                bool is_home = streq(searches[i].entry->name, job->home);
                if (searches[i].found < 0 && (is_home || !job->home)) {
                        error_propagate(err, TAKE_PTR(searches[i].error));
                        return is_home ? -1
                                       : error_prefix(
                                                 err,
                                                 "%s was not found where it could be looked for",
                                                 name);
                }
        }
        return error_set(err, ERROR_CONFIG,
                         "%s has no VM (libvirt domain) named %s, nor has any other hypervisor of "
                         "the inventory that answers%s%s",
                         job->home ? job->home : "the inventory", job->vm->domain,
                         job->request->pinned_uuid ? "; looked for by UUID " : "",
                         job->request->pinned_uuid ? job->request->pinned_uuid : "");
}

static void locate_adopt_host(struct vm_job *job, struct search *found)
{
        job->host = TAKE_PTR(found->host);
        job->host_entry = found->entry;
        job->info = found->info;
        found->info = (struct domain_info){ 0 };
        job->uuid = xstrdup(job->info.uuid);
        job->running = job->was_running = is_active(&job->info);
        job->host_repository = worker_host_repository(job->settings, found->entry);
        if (!job->home)
                job->home = xstrdup(found->entry->name);
        xstrdup_replace(&job->metadata->uuid, job->uuid);
        xstrdup_replace(&job->metadata->ran_on, found->entry->name);
        xstrdup_replace(&job->metadata->hypervisor, job->home);
        if (!streq(job->home, found->entry->name))
                report_warning(job->report, "%s is on %s, not on %s where the inventory has it",
                               job->vm->name, found->entry->name, job->home);
}

int vm_job_locate(struct vm_job *job, struct error **err)
{
        size_t count = 0;
        bool repairs = job->request->action == JOB_BACKUP || job->request->action == JOB_RECOVER;
        _cleanup_free_ char *short_uuid = repairs && job->request->repository_uuid
                                                  ? names_short_uuid(job->request->repository_uuid)
                                                  : NULL;
        struct search *searches = search_everywhere(job, short_uuid, &count);
        ssize_t chosen = -1;
        int r = locate_choose_host(job, searches, count, &chosen, err);
        if (r == 0 && chosen < 0)
                r = not_found(job, searches, count, err);
        /* An unreachable home may be running the VM, so a copy elsewhere that is shut off is not
         * accepted as the VM. */
        if (r == 0 && job->home && searches[0].found < 0 && chosen != 0 &&
            !is_active(&searches[chosen].info))
                r = error_propagate(err, TAKE_PTR(searches[0].error));
        for (size_t i = 0; r == 0 && i < count; i++)
                if (searches[i].has_traces && (ssize_t)i != chosen)
                        strv_add(&job->traces_elsewhere, searches[i].entry->name);
        if (r == 0)
                locate_adopt_host(job, &searches[chosen]);
        searches_free(searches, count);
        if (r == 0)
                report_step_end(job->report, STEP_DONE, "on %s, %s, UUID %s", job->host_entry->name,
                                domain_state_name(job->info.state), job->uuid);
        return r;
}

struct hypervisor *vm_job_find_moved(struct vm_job *job)
{
        size_t count = 0;
        struct search *searches = search_everywhere(job, NULL, &count);
        struct hypervisor *moved = NULL;
        for (size_t i = 0; i < count && !moved; i++)
                if (searches[i].found == 1 && is_active(&searches[i].info))
                        moved = TAKE_PTR(searches[i].host);
        searches_free(searches, count);
        return moved;
}

int vm_job_ensure_connection(struct vm_job *job, struct error **err)
{
        return worker_ensure_connection(job->host, job->uuid, &job->reconnect_by, err);
}

int vm_job_read_xml(struct vm_job *job, bool inactive, struct domain_xml **ret, struct error **err)
{
        _cleanup_free_ char *text = NULL;
        if (job->host->ops->get_xml(job->host, job->uuid, inactive, false, &text, err) < 0)
                return -1;
        *ret = domain_xml_parse(text, strlen(text), err);
        return *ret ? 0 : -1;
}
