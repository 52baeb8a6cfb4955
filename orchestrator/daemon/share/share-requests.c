/* Requests to the catalog thread (daemon/share/share.h), and what each does when it fails. */
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/share/share-internal.h"

enum { KEPT_MAX = 1000, ATTEMPTS_MAX = 20 };

static void post_for_answer(struct share *share, struct share_request *request,
                            share_answer_function *answer, void *data)
{
        request->answer = answer;
        request->answer_data = data;
        share_request_post(share, request);
}

void share_flush(struct share *share, share_answer_function *answer, void *data)
{
        post_for_answer(share, share_request_new(share, "recording", share_work_nothing), answer,
                        data);
}

void share_list_points(struct share *share, const char *vm, bool failed,
                       share_answer_function *answer, void *data)
{
        struct share_request *request =
                share_request_new(share, "listing the points", share_work_list);
        request->vm = xstrdup(vm);
        request->flag = failed;
        post_for_answer(share, request, answer, data);
}

void share_show_point(struct share *share, const char *vm, const char *point,
                      share_answer_function *answer, void *data)
{
        struct share_request *request =
                share_request_new(share, "reading a point", share_work_show);
        request->vm = xstrdup(vm);
        request->text = xstrdup(point);
        post_for_answer(share, request, answer, data);
}

void share_hold_point(struct share *share, const char *vm, const char *point, bool hold,
                      const char *reason, share_answer_function *answer, void *data)
{
        struct share_request *request =
                share_request_new(share, "holding or releasing a point", share_work_hold_point);
        request->vm = xstrdup(vm);
        request->text = xstrdup(point);
        request->flag = hold;
        request->reason = xstrdup(reason);
        post_for_answer(share, request, answer, data);
}

void share_list_known(struct share *share, share_answer_function *answer, void *data)
{
        post_for_answer(
                share,
                share_request_new(share, "listing the VMs that have points", share_work_list_known),
                answer, data);
}

/* A record that failed is kept until the share is available again; the catalog, which failed, is
 * opened again. */
static void keep_for_later(struct share *share, const struct share_request *request)
{
        if (share->n_kept >= KEPT_MAX || request->attempts >= ATTEMPTS_MAX) {
                log_error("%s of %s is dropped; `orch catalog rebuild` finds its point",
                          request->what, request->vm ? request->vm : request->entry.vm);
                return;
        }
        struct share_request *again = share_request_new(share, request->what, request->work);
        again->completed = request->completed;
        again->attempts = request->attempts + 1;
        again->vm = xstrdup(request->vm);
        again->text = xstrdup(request->text);
        again->uuid = xstrdup(request->uuid);
        catalog_entry_copy(&request->entry, &again->entry);
        share_request_append(&share->kept, again);
        share->n_kept++;
}

/* On a full share, what is open stays usable, and the work that frees space has to go on. */
static bool waits_for_room(struct share *share, struct share_request *request)
{
        if (request->error->kind != ERROR_NOSPACE)
                return false;
        log_warning("%s waits for free space: %s", request->what, request->error->message);
        keep_for_later(share, request);
        return true;
}

static void record_completed(struct share *share, struct share_request *request)
{
        if (!request->error || waits_for_room(share, request))
                return;
        error_prefix(&request->error, "%s", request->what);
        keep_for_later(share, request);
        if (share->state == SHARE_OK)
                share_became_unavailable(share, request->error, true);
}

static void log_failure(struct share *share, struct share_request *request)
{
        (void)share;
        if (request->error)
                log_warning("%s: %s", request->what, request->error->message);
}

void share_record(struct share *share, const struct catalog_entry *entry)
{
        struct share_request *request =
                share_request_new(share, "recording a job", share_work_record);
        catalog_entry_copy(entry, &request->entry);
        request->completed = record_completed;
        share_request_post(share, request);
}

void share_set_pin(struct share *share, const char *vm, const char *uuid, const char *hypervisor)
{
        struct share_request *request =
                share_request_new(share, "pinning a VM's UUID", share_work_set_pin);
        request->vm = xstrdup(vm);
        request->uuid = xstrdup(uuid);
        request->text = xstrdup(hypervisor);
        request->completed = record_completed;
        share_request_post(share, request);
}

/* The next opening updates all rows from the share. */
static void refresh_point_completed(struct share *share, struct share_request *request)
{
        if (!request->error)
                share->handlers.point(share->handlers.data, request->vm, request->text,
                                      &request->rows);
        else if (!waits_for_room(share, request) && share->state == SHARE_OK)
                share_became_unavailable(share, request->error, true);
}

void share_refresh_point(struct share *share, const char *vm, const char *path)
{
        struct share_request *request =
                share_request_new(share, "reading a point again", share_work_refresh_point);
        request->vm = xstrdup(vm);
        request->text = xstrdup(path);
        request->completed = refresh_point_completed;
        share_request_post(share, request);
}

void share_write_summary(struct share *share, const char *text)
{
        struct share_request *request =
                share_request_new(share, "writing last-run-summary.json", share_work_write_summary);
        request->text = xstrdup(text);
        request->completed = log_failure;
        share_request_post(share, request);
}

static void load_pins_completed(struct share *share, struct share_request *request)
{
        if (request->error && share->state == SHARE_OK)
                share_became_unavailable(share, request->error, true);
        for (size_t i = 0; !request->error && i < request->n_pins; i++)
                share->handlers.pin(share->handlers.data, request->pins[i].vm,
                                    request->pins[i].uuid, request->pins[i].hypervisor);
}

void share_load_pins(struct share *share, char *const *vms)
{
        if (share->state != SHARE_OK || !vms || !vms[0])
                return;
        struct share_request *request =
                share_request_new(share, "reading pins", share_work_load_pins);
        request->names = strv_copy(vms);
        request->completed = load_pins_completed;
        share_request_post(share, request);
}
