/* Implements scripted-host.h. */
#include "scripted-host.h"

#include "base/memory.h"
#include "base/strings.h"

static int answer_exec(struct hypervisor *hypervisor, const char *const argv[],
                       const struct exec_options *options, struct exec_result *ret,
                       struct error **err)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        host->argv = strv_free(host->argv);
        for (size_t i = 0; argv[i]; i++)
                strv_add(&host->argv, argv[i]);
        if (host->broken)
                return error_set(err, host->fails, "broken on purpose");
        if (options->cancelled && options->cancelled(options->data))
                return error_set(err, ERROR_CANCELLED, "given up");
        *ret = (struct exec_result){ .status = host->status,
                                     .output = xstrdup(host->output),
                                     .errors = xstrdup("") };
        return 0;
}

static int answer_xml(struct hypervisor *hypervisor, const char *uuid _unused_,
                      bool inactive _unused_, bool secure _unused_, char **ret_xml,
                      struct error **err _unused_)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        *ret_xml = xstrdup(host->xml);
        return 0;
}

static const struct hypervisor_operations operations = { .exec = answer_exec,
                                                         .get_xml = answer_xml };

void scripted_host_init(struct scripted_host *host)
{
        *host = (struct scripted_host){ .base = { .ops = &operations,
                                                  .name = xstrdup("host-1"),
                                                  .address = xstrdup("10.0.0.1") },
                                        .output = "" };
}

void scripted_host_done(struct scripted_host *host)
{
        free(host->base.name);
        free(host->base.address);
        strv_free(host->argv);
}
