/* Implements transports/local-host.h on base/child.h. */
#include "transports/local-host.h"

#include <unistd.h>

#include "base/child.h"
#include "base/memory.h"
#include "base/strings.h"

static void free_host(struct hypervisor *host)
{
        free(host->name);
        free(host->address);
        free(host);
}

static int local_host_reconnect(struct hypervisor *host _unused_, struct error **err _unused_)
{
        return 0;
}

static int local_host_exec(struct hypervisor *host, const char *const argv[],
                           const struct exec_options *options, struct exec_result *ret,
                           struct error **err)
{
        const struct child_options child = {
                .timeout_ms = options->timeout_ms,
                .input = options->input,
                .max_output = options->max_output,
                .cancelled = options->cancelled,
                .on_output = options->on_output,
                .data = options->data,
        };
        struct child_result result = { 0 };
        if (child_run(argv, &child, &result, err) < 0)
                return error_prefix(err, "%s", host->name);
        *ret = (struct exec_result){ .status = result.status,
                                     .output = result.output,
                                     .errors = result.errors };
        return 0;
}

static int stop_unit(struct hypervisor *host _unused_, const char *unit _unused_,
                     struct error **err _unused_)
{
        return 0; /* child_run() has ended it */
}

static const struct hypervisor_operations operations = {
        .free = free_host,
        .reconnect = local_host_reconnect,
        .exec = local_host_exec,
        .stop_unit = stop_unit,
};

struct hypervisor *local_host_new(void)
{
        char name[256] = "";
        gethostname(name, sizeof name - 1);
        struct hypervisor *host = xcalloc(1, sizeof *host);
        *host = (struct hypervisor){ .ops = &operations,
                                     .name = str_one_line(name, sizeof name),
                                     .address = xstrdup("localhost") };
        return host;
}
