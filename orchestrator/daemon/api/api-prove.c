/* POST /v1/test-restore: boots VMs of the inventory from their points, one after the other. Reads
 * the body, waits for the share, chooses the VMs, makes a batch of jobs and answers with its
 * stream. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/api/choose-vms.h"
#include "daemon/cycle/proofs.h"
#include "daemon/jobs/batch.h"
#include "daemon/state/state.h"

struct prove_body {
        char **vms; /* names or globs */
        bool all;
        bool random;
        struct test_restore_options options;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct prove_body, member)
#define OPTION(member) .name = #member, .offset = offsetof(struct prove_body, options.member)
static const struct json_field prove_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { FIELD(all), .type = JSON_FIELD_FLAG },
        { FIELD(random), .type = JSON_FIELD_FLAG },
        { OPTION(point), .type = JSON_FIELD_TEXT },
        { OPTION(network), .type = JSON_FIELD_TEXT },
        { OPTION(keep), .type = JSON_FIELD_FLAG },
        { OPTION(full), .type = JSON_FIELD_FLAG },
        { OPTION(remove), .type = JSON_FIELD_FLAG },
        { 0 },
};

struct prove_order {
        struct daemon *daemon;
        struct api_request *request;
        struct prove_body body;
};

static void proof_order_free(void *data)
{
        struct prove_order *order = data;
        json_fields_done(prove_fields, &order->body);
        free(order);
}

static bool vm_has_good_point(const struct daemon *daemon, const char *vm)
{
        const struct vm_state *state = vm_states_find(&daemon->states, vm);
        return state && state->last_good > 0;
}

static int choose_named(const struct prove_order *order, const struct inventory *inventory,
                        char ***ret, struct error **err)
{
        if (!order->body.vms || !order->body.vms[0])
                return 0;
        const char *unknown = choose_vms(inventory, order->body.vms, ret);
        if (unknown)
                return choose_unknown_vm(inventory, unknown, err);
        if (order->body.options.point && strv_length(*ret) > 1)
                return error_set(err, ERROR_CONFIG,
                                 "point: one VM has to be named with it, not %zu",
                                 strv_length(*ret));
        return 0;
}

static int choose_proofs(const struct prove_order *order, char ***ret, struct error **err)
{
        struct daemon *daemon = order->daemon;
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return error_set(err, ERROR_CONFIG, "%s",
                                 inventory_keeper_problems(daemon->inventory));
        if (order->body.random) {
                const char *chosen = proofs_choose_random(daemon);
                if (!chosen)
                        return error_set(err, ERROR_CONFIG,
                                         "no VM of the inventory has a good point yet");
                strv_add(ret, chosen);
        }
        for (size_t i = 0; order->body.all && i < inventory->n_vms; i++)
                if (vm_has_good_point(daemon, inventory->vms[i].name) &&
                    !inventory->vms[i].config_only)
                        strv_add(ret, inventory->vms[i].name);
        return choose_named(order, inventory, ret, err);
}

static void report_choice(const struct prove_order *order, struct batch *batch, const char *vm)
{
        const struct vm_state *state = vm_states_find(&order->daemon->states, vm);
        _cleanup_free_ char *when =
                state && state->proven ? clock_format_local(state->proven) : NULL;
        if (when)
                batch_notice(batch, "info", "%s has the oldest proof of boot, of %s", vm, when);
        else
                batch_notice(batch, "info",
                             "%s was chosen at random among the VMs without a proof of boot", vm);
}

static int proof_order_start(void *data, const char *unused, struct error **err)
{
        (void)unused;
        const struct prove_order *order = data;
        struct daemon *daemon = order->daemon;
        _cleanup_strv_ char **vms = NULL;
        _cleanup_error_ struct error *broken = NULL;
        (void)!daemon_reload_inventory(daemon, &broken);
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        if (choose_proofs(order, &vms, err) < 0)
                return -1;
        daemon->next_sequence++;
        struct batch *batch = batch_new(
                daemon, order->body.options.remove ? "rid of test domains" : "proven", NULL);
        api_answer_stream(order->request, batch_subscribe(batch));
        batch_notice_broken_inventory(batch, broken);
        if (order->body.random && vms)
                report_choice(order, batch, vms[0]);
        for (size_t i = 0; vms && vms[i]; i++)
                batch_add(batch, proofs_new_job(daemon, vms[i], &order->body.options, false));
        daemon_changed(daemon);
        batch_seal(batch);
        return 0;
}

static const struct api_order_steps prove_steps = { .answer = proof_order_start,
                                                    .free = proof_order_free };

static int check_proof_body(const struct prove_body *body, struct error **err)
{
        const struct test_restore_options *options = &body->options;
        bool named = body->vms && body->vms[0];
        if (named + body->all + body->random != 1)
                return error_set(err, ERROR_CONFIG,
                                 "vms: expected at least one name, or all: true, or random: true");
        if (options->point && !name_is_safe(options->point))
                return error_set(
                        err, ERROR_CONFIG,
                        "point: expected the name of a point, the beginning of one, or latest");
        if (options->point && !named && !streq(options->point, "latest"))
                return error_set(err, ERROR_CONFIG, "point: one VM has to be named with it");
        if (options->network && !test_network_is_sane(options->network))
                return error_set(
                        err, ERROR_CONFIG,
                        "network: expected none, isolated, or the name of a libvirt network");
        if (options->remove &&
            (options->keep || options->full || options->point || options->network))
                return error_set(err, ERROR_CONFIG,
                                 "remove: cannot be together with point, network, keep or full");
        return 0;
}

void api_test_restore(struct daemon *daemon, struct api_request *request)
{
        struct prove_order *order = xcalloc(1, sizeof *order);
        order->daemon = daemon;
        order->request = request;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, prove_fields, &order->body, &error) < 0 ||
            check_proof_body(&order->body, &error) < 0) {
                api_answer_error(request, error);
                proof_order_free(order);
                return;
        }
        api_when_share_ready(request, &prove_steps, order);
}
