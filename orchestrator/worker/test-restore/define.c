/* The definition of a test-restore's domain, and its start
 * (worker/test-restore/test-restore-internal.h).
 *
 * A point's files belong to root with mode 0600. QEMU runs as root for this one domain, and the
 * definition makes libvirt leave owners and modes alone, so that the point can be read without
 * changing it. The domain is transient, and libvirt destroys it when its holder ends, so that
 * neither a host's reset nor orch's death leaves it running for long. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-isolate.h"
#include "schema/libvirt/domain-rewrite.h"
#include "worker/host/test-traces.h"
#include "worker/test-restore/scripts.h"
#include "worker/test-restore/test-restore-internal.h"

enum {
        COMMAND_MS = 60 * 1000,
        START_MS = 300 * 1000,
        LIFE_SLACK_SECONDS = 3600, /* time after the boot, for test commands and evidence */
        CAPABILITIES_MAX_BYTES = 4 * 1024 * 1024,
};

static int test_restore_read_models(struct test_restore *test, char ***ret, struct error **err)
{
        const char *const argv[] = { "timeout",        "90",           "virsh", "-q", "-c",
                                     "qemu:///system", "capabilities", NULL };
        struct exec_options options = { .timeout_ms = COMMAND_MS,
                                        .max_output = CAPABILITIES_MAX_BYTES };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (test->job.host->ops->exec(test->job.host, argv, &options, &result, err) < 0)
                return -1;
        if (result.status != 0)
                return error_set(err, ERROR_INTERNAL,
                                 "%s: virsh capabilities failed with status %d",
                                 test->job.host->name, result.status);
        return capabilities_read_models(result.output, strlen(result.output), ret, err);
}

/* The layers of each disk, as paths on the hypervisor. One block, freed together with its
 * strings. */
static struct rewrite_layer *make_layers(const struct test_restore *test,
                                         const struct test_disk *disk, char ***paths)
{
        size_t n = strv_length(disk->layers);
        struct rewrite_layer *layers = xcalloc(n, sizeof *layers);
        for (size_t i = 0; i < n; i++) {
                strv_addf(paths, "%s/%s", test->base, disk->layers[i]);
                layers[i] = (struct rewrite_layer){ .path = (*paths)[strv_length(*paths) - 1],
                                                    .format = "qcow2" };
        }
        return layers;
}

static char *test_restore_rewrite(struct test_restore *test, const struct rewrite_disk *disks,
                                  struct error **err)
{
        const struct rewrite_network_map map = { .to = test_restore_wants_own_network(test)
                                                               ? test->name
                                                               : test->options.network };
        _cleanup_free_ char *nvram =
                test->point->metadata->nvram_file ? path_join(test->work, "nvram.fd") : NULL;
        _cleanup_free_ char *console = test_traces_console(test->name);
        const struct rewrite wanted = {
                .name = test->name,
                .uuid = test->job.uuid,
                .new_macs = true,
                .network = test_restore_wants_network(test) ? REWRITE_NETWORK_MAP
                                                            : REWRITE_NETWORK_NONE,
                .map = &map,
                .n_map = test_restore_wants_network(test) ? 1 : 0,
                .disks = disks,
                .n_disks = test->n_disks,
                .eject_all = true,
                .nvram = nvram,
                .drop_host_devices = true,
                .serial_log = console,
        };
        _cleanup_strv_ char **notes = NULL;
        _cleanup_free_ char *xml =
                domain_rewrite(test->xml, strlen(test->xml), &wanted, &notes, err);
        for (size_t i = 0; xml && notes && notes[i]; i++)
                report_log(test->job.report, "the test domain: %s", notes[i]);
        _cleanup_strv_ char **models = NULL;
        if (!xml || test_restore_read_models(test, &models, err) < 0)
                return NULL;
        return domain_isolate(xml, strlen(xml), (const char *const *)models, err);
}

static char *make_xml(struct test_restore *test, struct error **err)
{
        _cleanup_free_ struct rewrite_disk *disks = xcalloc(test->n_disks, sizeof *disks);
        _cleanup_strv_ char **paths = NULL;
        struct rewrite_layer **layers = xcalloc(test->n_disks, sizeof(struct rewrite_layer *));
        char **tops = NULL;
        for (size_t i = 0; i < test->n_disks; i++) {
                _cleanup_free_ char *top = test_restore_disk_path(test, &test->disks[i]);
                strv_add(&tops, top);
                disks[i] = (struct rewrite_disk){ .target = test->disks[i].target,
                                                  .path = tops[i],
                                                  .format = "qcow2" };
                if (test->options.full)
                        continue;
                layers[i] = make_layers(test, &test->disks[i], &paths);
                disks[i].backing = layers[i];
                disks[i].n_backing = strv_length(test->disks[i].layers);
                disks[i].no_label = true;
        }
        char *xml = test_restore_rewrite(test, disks, err);
        for (size_t i = 0; i < test->n_disks; i++)
                free(layers[i]);
        free(layers);
        strv_free(tops);
        return xml;
}

static int create_domain(struct test_restore *test, const char *xml, struct error **err)
{
        struct vm_job *job = &test->job;
        _cleanup_free_ char *seconds =
                xasprintf("%u", job->settings->test_restore.boot_seconds + LIFE_SLACK_SECONDS);
        const char *const argv[] = { "sh",
                                     "-c",
                                     start_domain_script,
                                     "orch-start",
                                     test->work,
                                     test->name,
                                     seconds,
                                     test->options.keep ? "keep" : "",
                                     hold_domain_script,
                                     NULL };
        struct exec_options options = { .timeout_ms = START_MS, .input = xml };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (job->host->ops->exec(job->host, argv, &options, &result, err) < 0)
                return -1;
        if (result.status == 0)
                return 0;
        _cleanup_free_ char *said = str_one_line(result.errors ? result.errors : "", 600);
        return error_set(err, ERROR_INTERNAL, "%s could not start the test domain %s: %s",
                         job->host->name, test->name, said);
}

int test_restore_start(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        _cleanup_free_ char *xml = make_xml(test, err);
        if (!xml)
                return -1;
        const char *const network[] = {
                "sh", "-c", start_network_script, "orch-network", test->work, test->name, NULL
        };
        if (test_restore_wants_own_network(test) &&
            hypervisor_run(job->host, network, COMMAND_MS, NULL, err) < 0)
                return error_prefix(err, "the isolated network %s cannot be made", test->name);
        job->info.name = xstrdup(test->name);
        test->started_ms = clock_monotonic_ms();
        if (create_domain(test, xml, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, "%s, %s%s", test->name,
                        test_restore_wants_network(test) ? "network " : "no network",
                        !test_restore_wants_network(test)      ? ""
                        : test_restore_wants_own_network(test) ? "of its own that leads nowhere"
                                                               : test->options.network);
        return 0;
}
