/* POST /v1/verify: a verification of each named VM, or of all that have points, in the inventory or
 * not. Reads the body, waits for the share, asks it which VMs have points and what the catalog
 * knows of them, makes a batch with one job for each VM and answers with its stream. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/api/choose-vms.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "schema/records/verify-options.h"

struct verify_body {
        char **vms; /* names or globs */
        char *point;
        bool all;
        int64_t since;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct verify_body, member)
static const struct json_field verify_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { FIELD(point), .type = JSON_FIELD_TEXT },
        { FIELD(all), .type = JSON_FIELD_FLAG },
        { FIELD(since), .type = JSON_FIELD_TIME },
        { 0 },
};

struct verify_order {
        struct daemon *daemon;
        struct api_request *request;
        struct verify_body body;
};

static void verify_order_free(void *data)
{
        struct verify_order *order = data;
        json_fields_done(verify_fields, &order->body);
        free(order);
}

/* The VMs that have points. */
static char **names_of(json_t *known)
{
        char **names = NULL;
        for (void *i = json_object_iter(known); i; i = json_object_iter_next(known, i))
                strv_add(&names, json_object_iter_key(i));
        return names;
}

static int unknown_vm(char *const *names, const char *name, struct error **err)
{
        _cleanup_free_ char *shown = str_one_line(name, 120);
        const char *nearest = names ? nearest_word(name, (const char *const *)names) : NULL;
        return error_set(err, ERROR_CONFIG,
                         "'%s' has no points%s%s%s; `orch list` shows what there is", shown,
                         nearest ? "; nearest: '" : "", nearest ? nearest : "", nearest ? "'" : "");
}

static int choose_all(const struct verify_order *order, json_t *known, char ***ret,
                      struct error **err)
{
        _cleanup_strv_ char **names = names_of(known);
        _cleanup_strv_ char **chosen = NULL;
        const char *unknown = choose_names(names, order->body.vms, &chosen);
        if (unknown)
                return unknown_vm(names, unknown, err);
        if (order->body.point && strv_length(chosen) > 1)
                return error_set(err, ERROR_CONFIG,
                                 "point: one VM has to be named with it, not %zu",
                                 strv_length(chosen));
        *ret = order->body.all ? TAKE_PTR(names) : TAKE_PTR(chosen);
        return 0;
}

static char **texts_of(const json_t *array)
{
        char **texts = NULL;
        for (size_t i = 0; i < json_array_size(array); i++)
                strv_add(&texts, json_string_value(json_array_get(array, i)));
        return texts;
}

static void add_verify_job(const struct verify_order *order, struct batch *batch, const char *vm,
                           const json_t *known)
{
        const struct verify_options options = {
                .point = order->body.point,
                .since = order->body.since,
                .compare = true,
                .known = texts_of(json_object_get(known, vm)),
        };
        struct job *job = runner_new_job(order->daemon, JOB_VERIFY, JOB_CLASS_ADHOC, vm, NULL);
        xstrdup_replace(&job->hypervisor, NULL); /* no row is about it */
        job->beside = true;
        job->options = verify_options_to_json(&options);
        strv_free(options.known);
        batch_add(batch, job);
}

static int verify_order_start(void *data, const char *text, struct error **err)
{
        const struct verify_order *order = data;
        struct daemon *daemon = order->daemon;
        _cleanup_json_ json_t *known = json_loads(text, 0, NULL);
        _cleanup_strv_ char **vms = NULL;
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        if (choose_all(order, known, &vms, err) < 0)
                return -1;
        daemon->next_sequence++;
        struct batch *batch = batch_new(daemon, "verified", NULL);
        api_answer_stream(order->request, batch_subscribe(batch));
        for (size_t i = 0; vms && vms[i]; i++)
                add_verify_job(order, batch, vms[i], known);
        daemon_changed(daemon);
        batch_seal(batch);
        return 0;
}

static void verify_ask(void *data, struct share *share, share_answer_function *answer,
                       void *answer_data)
{
        (void)data;
        share_list_known(share, answer, answer_data);
}

static const struct api_order_steps verify_steps = { .ask = verify_ask,
                                                     .answer = verify_order_start,
                                                     .free = verify_order_free };

static int check_verify_body(const struct verify_body *body, struct error **err)
{
        bool named = body->vms && body->vms[0];
        if (named == body->all)
                return error_set(err, ERROR_CONFIG,
                                 "vms: expected at least one name, or all: true");
        if (body->point && !name_is_safe(body->point))
                return error_set(
                        err, ERROR_CONFIG,
                        "point: expected the name of a point, the beginning of one, or latest");
        if (body->point && (body->all || body->since))
                return error_set(err, ERROR_CONFIG, "point: cannot be together with %s",
                                 body->all ? "all" : "since");
        return 0;
}

void api_verify(struct daemon *daemon, struct api_request *request)
{
        struct verify_order *order = xcalloc(1, sizeof *order);
        order->daemon = daemon;
        order->request = request;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, verify_fields, &order->body, &error) < 0 ||
            check_verify_body(&order->body, &error) < 0) {
                api_answer_error(request, error);
                verify_order_free(order);
                return;
        }
        api_when_share_ready(request, &verify_steps, order);
}
