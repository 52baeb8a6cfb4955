/* The hypervisor of a test-restore: selects it, and checks that it has the resources for the test
 * domain in addition to its own VMs (worker/test-restore/test-restore-internal.h). */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-isolate.h"
#include "worker/host/host-probe.h"
#include "worker/host/test-traces.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/test-restore/scripts.h"
#include "worker/test-restore/test-restore-internal.h"

enum { COMMAND_MS = 60 * 1000 };

#define GIB ((uint64_t)1024 * 1024 * 1024)

static const struct inventory_hypervisor *choose_host(const struct test_restore *test)
{
        const struct vm_job *job = &test->job;
        const char *names[] = { job->vm->hypervisor, job->request->pinned_hypervisor,
                                test->point->metadata->ran_on, job->home };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                const struct inventory_hypervisor *entry =
                        names[i] ? inventory_find_hypervisor(job->inventory, names[i]) : NULL;
                if (entry)
                        return entry;
        }
        return NULL;
}

/* The running VMs have priority: a test domain that would make the host swap is not started. */
static int check_memory(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        const char *const argv[] = { "sh", "-c", available_memory_script, NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(job->host, argv, COMMAND_MS, &output, err) < 0)
                return -1;
        uint64_t available = strtoull(output, NULL, 10);
        uint64_t needed = domain_memory_bytes(test->xml, strlen(test->xml));
        _cleanup_free_ char *available_text = format_bytes(available);
        _cleanup_free_ char *needed_text = format_bytes(needed);
        bool enough = available > needed;
        report_check(job->report, CHECK_BEFORE, CHECK_NAME_HOST_MEMORY,
                     enough ? CHECK_PASS : CHECK_FAIL, "%s available, more than %s needed",
                     available_text, needed_text);
        return enough ? 0
                      : error_set(err, ERROR_BUSY,
                                  "%s has %s of memory available, and %s would take %s: its VMs "
                                  "come first",
                                  job->host->name, available_text, job->vm->name, needed_text);
}

static int test_host_check_room(struct test_restore *test, const struct host_probe *probe,
                                struct error **err)
{
        struct vm_job *job = &test->job;
        uint64_t needed = (uint64_t)job->settings->checks.hypervisor_low_water_gib * GIB;
        for (size_t i = 0; test->options.full && i < test->point->metadata->n_disks; i++)
                needed += test->point->metadata->disks[i].allocated_bytes;
        uint64_t room = probe->folder_free_bytes[0];
        _cleanup_free_ char *room_text =
                room == UINT64_MAX ? xstrdup("unknown") : format_bytes(room);
        _cleanup_free_ char *needed_text = format_bytes(needed);
        bool enough = room != UINT64_MAX && room > needed;
        report_check(job->report, CHECK_BEFORE, CHECK_NAME_SCRATCH_SPACE,
                     enough ? CHECK_PASS : CHECK_FAIL, "%s free in %s, more than %s needed",
                     room_text, job->host_entry->scratch, needed_text);
        return enough ? 0
                      : error_set(err, ERROR_NOSPACE,
                                  "%s has %s free in %s, more than %s is needed", job->host->name,
                                  room_text, job->host_entry->scratch, needed_text);
}

static int test_host_check_share(struct test_restore *test, const struct host_probe *probe,
                                 struct error **err)
{
        struct vm_job *job = &test->job;
        if (!probe->mount_type)
                return error_set(err, ERROR_REFUSED, "%s has nothing mounted at %s",
                                 job->host->name, job->host_repository);
        if (!streq(probe->repository_uuid, job->request->repository_uuid))
                return error_set(err, ERROR_REFUSED,
                                 "%s on %s is another share (%s) than this orch's (%s)",
                                 job->host_repository, job->host->name,
                                 probe->repository_uuid ? probe->repository_uuid : "no marker",
                                 job->request->repository_uuid);
        report_check(job->report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED, CHECK_PASS,
                     "%s on %s, %s", job->host_repository, job->host->name, probe->mount_type);
        return 0;
}

static int test_host_check(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        char *folders[] = { job->host_entry->scratch, NULL };
        struct host_probe probe = { 0 };
        const struct host_probe_request request = { .repository = job->host_repository,
                                                    .tag = job->tag,
                                                    .folders = folders };
        if (host_probe_run(job->host, &request, &probe, err) < 0)
                return -1;
        int r = test_host_check_share(test, &probe, err) < 0 ||
                                test_host_check_room(test, &probe, err) < 0
                        ? -1
                        : 0;
        host_probe_done(&probe);
        return r < 0 ? -1 : check_memory(test, err);
}

bool test_restore_wants_network(const struct test_restore *test)
{
        return test->options.network && !streq(test->options.network, TEST_NETWORK_NONE);
}

bool test_restore_wants_own_network(const struct test_restore *test)
{
        return streq(test->options.network, TEST_NETWORK_ISOLATED);
}

static int check_network(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        if (!test_restore_wants_network(test) || test_restore_wants_own_network(test))
                return 0;
        const char *const argv[] = { "timeout",        "90",       "virsh",  "-q", "-c",
                                     "qemu:///system", "net-list", "--name", NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(job->host, argv, COMMAND_MS, &output, err) < 0)
                return -1;
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                if (streq(line, test->options.network))
                        return 0;
        return error_set(err, ERROR_CONFIG,
                         "%s has no active libvirt network '%s' (on it: virsh net-list)",
                         job->host->name, test->options.network);
}

int test_restore_find_host(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        job->host_entry = choose_host(test);
        if (!job->host_entry)
                return error_set(err, ERROR_CONFIG,
                                 "the inventory has none of the hypervisors that %s was on",
                                 job->vm->name);
        const char *short_uuid = repository_short_uuid(job->repository);
        job->tag = names_tag(short_uuid, job->request->job);
        test->name = test_traces_name(short_uuid, job->request->job);
        test->work = path_join(job->host_entry->scratch, test->name);
        job->host_repository = worker_host_repository(job->settings, job->host_entry);
        job->host = worker_connect(job->settings, job->host_entry, 0, err);
        if (!job->host || test_host_check(test, err) < 0 || check_network(test, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, "%s", job->host->name);
        return 0;
}
