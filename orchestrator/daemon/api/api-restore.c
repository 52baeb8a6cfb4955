/* POST /v1/restore: one point of a VM back onto a hypervisor, or exported to a folder. The options
 * are checked here, so that a mistake is reported at once; only the worker can check them against
 * the share and the hypervisors. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "schema/records/restore-options.h"

struct restore_body {
        char *vm;
        json_t *options;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct restore_body, member)
static const struct json_field restore_fields[] = {
        { FIELD(vm), .type = JSON_FIELD_TEXT, .required = true, .valid = name_is_safe,
          .expected = "the name of a VM" },
        { FIELD(options), .type = JSON_FIELD_OBJECT },
        { 0 },
};

struct restore_order {
        struct daemon *daemon;
        struct api_request *request;
        struct restore_body body;
        struct restore_options options;
};

static void restore_order_free(void *data)
{
        struct restore_order *order = data;
        json_fields_done(restore_fields, &order->body);
        restore_options_done(&order->options);
        free(order);
}

static int restore_order_start(void *data, const char *unused, struct error **err)
{
        (void)unused;
        const struct restore_order *order = data;
        struct daemon *daemon = order->daemon;
        const struct restore_options *options = &order->options;
        _cleanup_error_ struct error *broken = NULL;
        (void)!daemon_reload_inventory(daemon, &broken);
        if (!inventory_keeper_get(daemon->inventory))
                return error_set(err, ERROR_CONFIG, "%s", error_message(broken));
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        daemon->next_sequence++;
        struct batch *batch =
                batch_new(daemon, options->export_folder ? "exported" : "restored", NULL);
        api_answer_stream(order->request, batch_subscribe(batch));
        batch_notice_broken_inventory(batch, broken);
        struct job *job =
                runner_new_job(daemon, JOB_RESTORE, JOB_CLASS_ADHOC, order->body.vm, options->to);
        if (options->to || options->export_folder)
                xstrdup_replace(&job->hypervisor, options->to);
        /* a recovery has nothing to clean up after it */
        job->dry_run = options->dry_run || options->export_folder;
        job->beside = job->dry_run || options->name;
        job->options = restore_options_write(options);
        batch_add(batch, job);
        daemon_changed(daemon);
        batch_seal(batch);
        return 0;
}

static const struct api_order_steps restore_steps = { .answer = restore_order_start,
                                                      .free = restore_order_free };

void api_restore(struct daemon *daemon, struct api_request *request)
{
        struct restore_order *order = xcalloc(1, sizeof *order);
        *order = (struct restore_order){ .daemon = daemon, .request = request };
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, restore_fields, &order->body, &error) < 0 ||
            restore_options_read(order->body.options, &order->options, &error) < 0) {
                api_answer_error(request, error);
                restore_order_free(order);
                return;
        }
        api_when_share_ready(request, &restore_steps, order);
}
