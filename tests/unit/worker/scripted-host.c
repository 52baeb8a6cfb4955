/* Implements scripted-host.h. */
#include "scripted-host.h"

#include "base/memory.h"
#include "base/strings.h"

static void note_command(struct scripted_host *host, const char *const argv[])
{
        bool is_script = streq(argv[0], "sh") && argv[1] && argv[2] && argv[3];
        if (streq(argv[0], "qemu-img"))
                strv_addf(&host->ran, "qemu-img %s", argv[1]);
        else
                strv_add(&host->ran, is_script ? argv[3] : argv[0]);
}

static const struct scripted_answer *find_answer(const struct scripted_host *host)
{
        const char *command = host->ran[strv_length(host->ran) - 1];
        for (const struct scripted_answer *answer = host->answers; answer && answer->command;
             answer++)
                if (streq(answer->command, command))
                        return answer;
        return NULL;
}

int scripted_host_exec(struct hypervisor *hypervisor, const char *const argv[],
                       const struct exec_options *options, struct exec_result *ret,
                       struct error **err)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        host->argv = strv_free(host->argv);
        for (size_t i = 0; argv[i]; i++)
                strv_add(&host->argv, argv[i]);
        note_command(host, argv);
        if (host->broken)
                return error_set(err, host->fails, "broken on purpose");
        if (options->cancelled && options->cancelled(options->data))
                return error_set(err, ERROR_CANCELLED, "given up");
        const struct scripted_answer *answer = find_answer(host);
        *ret = (struct exec_result){ .status = answer ? answer->status : host->status,
                                     .output = xstrdup(answer ? answer->output : host->output),
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

static char **copy_names(const char *const *names)
{
        char **copy = xcalloc(1, sizeof *copy);
        for (size_t i = 0; names && names[i]; i++)
                strv_add(&copy, names[i]);
        return copy;
}

static int answer_snapshots(struct hypervisor *hypervisor, const char *uuid _unused_,
                            char ***ret_names, struct error **err _unused_)
{
        *ret_names = copy_names(((struct scripted_host *)hypervisor)->snapshots);
        return 0;
}

static int answer_checkpoints(struct hypervisor *hypervisor, const char *uuid _unused_,
                              char ***ret_names, struct error **err _unused_)
{
        *ret_names = copy_names(((struct scripted_host *)hypervisor)->checkpoints);
        return 0;
}

static int answer_checkpoint(struct hypervisor *hypervisor, const char *uuid _unused_,
                             const char *name, char **ret_xml, struct error **err)
{
        const char *xml = ((struct scripted_host *)hypervisor)->checkpoint_xml;
        if (!xml)
                return error_set(err, ERROR_INTERNAL, "the bitmap of %s is broken", name);
        *ret_xml = xstrdup(xml);
        return 0;
}

static int answer_agent(struct hypervisor *hypervisor, const char *uuid _unused_,
                        enum agent_state *ret, struct error **err _unused_)
{
        *ret = ((struct scripted_host *)hypervisor)->agent;
        return 0;
}

static int answer_freeze_status(struct hypervisor *hypervisor, const char *uuid _unused_,
                                enum fsfreeze_status *ret, struct error **err)
{
        *ret = FSFREEZE_THAWED;
        return ((struct scripted_host *)hypervisor)->agent_refuses
                       ? error_set(err, ERROR_INTERNAL, "the guest agent forbids it")
                       : 0;
}

static int answer_block_job(struct hypervisor *hypervisor, const char *uuid _unused_,
                            const char *target _unused_, struct block_job *ret,
                            struct error **err _unused_)
{
        *ret = ((struct scripted_host *)hypervisor)->block_job;
        return 0;
}

static int answer_block_size(struct hypervisor *hypervisor, const char *uuid _unused_,
                             const char *target _unused_, uint64_t *ret_capacity,
                             uint64_t *ret_allocation, struct error **err _unused_)
{
        *ret_capacity = ((struct scripted_host *)hypervisor)->capacity_bytes;
        *ret_allocation = ((struct scripted_host *)hypervisor)->allocation_bytes;
        return 0;
}

static int answer_domain(struct hypervisor *hypervisor, const char *uuid, const char *name,
                         struct domain_info *ret, struct error **err _unused_)
{
        *ret = (struct domain_info){ .uuid = xstrdup(uuid ? uuid : ""),
                                     .name = xstrdup(name ? name : ""),
                                     .state = ((struct scripted_host *)hypervisor)->state,
                                     .persistent = true };
        return 1;
}

static int answer_resume(struct hypervisor *hypervisor, const char *uuid _unused_,
                         struct error **err _unused_)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        host->resumed++;
        host->state = DOMAIN_STATE_RUNNING;
        return 0;
}

static int answer_start(struct hypervisor *hypervisor, const char *uuid _unused_,
                        bool paused _unused_, struct error **err _unused_)
{
        struct scripted_host *host = (struct scripted_host *)hypervisor;
        host->started++;
        host->state = DOMAIN_STATE_RUNNING;
        return 0;
}

static int answer_network(struct hypervisor *hypervisor, const char *name, bool *ret_active,
                          struct error **err _unused_)
{
        const struct scripted_host *host = (struct scripted_host *)hypervisor;
        *ret_active = !host->networks_are_inactive;
        return strv_contains((char *const *)(uintptr_t)host->networks, name);
}

static int answer_pool(struct hypervisor *hypervisor, const char *name _unused_, char **ret_xml,
                       struct error **err _unused_)
{
        const char *xml = ((struct scripted_host *)hypervisor)->pool_xml;
        *ret_xml = xml ? xstrdup(xml) : NULL;
        return xml != NULL;
}

static const struct hypervisor_operations operations = {
        .exec = scripted_host_exec,
        .get_xml = answer_xml,
        .find_domain = answer_domain,
        .resume = answer_resume,
        .start = answer_start,
        .list_snapshots = answer_snapshots,
        .list_checkpoints = answer_checkpoints,
        .checkpoint_xml = answer_checkpoint,
        .agent_state = answer_agent,
        .fsfreeze_status = answer_freeze_status,
        .block_job = answer_block_job,
        .block_size = answer_block_size,
        .find_network = answer_network,
        .find_pool = answer_pool,
};

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
        strv_free(host->ran);
}
