/* POST /v1/points/{vm}/{point}/hold and …/release: state.json is changed on the catalog thread, and its row follows. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api.h"
#include "daemon/daemon-internal.h"

enum { REASON_MAX_BYTES = 1000 };

struct hold_order {
        struct daemon *daemon;
        struct api_request *request;
        char *vm;
        char *point;
        char *reason;
        bool hold;
};

static const struct json_field hold_fields[] = {
        { .name = "reason", .type = JSON_FIELD_TEXT, .offset = offsetof(struct hold_order, reason) },
        { 0 },
};
static const struct json_field release_fields[] = { { 0 } };

static void order_free(struct hold_order *order)
{
        free(order->vm);
        free(order->point);
        free(order->reason);
        free(order);
}

static void answered(void *data, const struct error *error, const char *text)
{
        struct hold_order *order = data;
        if (error)
                api_answer_error(order->request, error);
        else
                api_answer_text(order->request, "application/json", xstrdup(text));
        order_free(order);
}

static void start_when_ready(void *data, const struct error *unavailable, const char *unused)
{
        (void)unused;
        struct hold_order *order = data;
        if (!unavailable) {
                share_hold_point(order->daemon->share, order->vm, order->point, order->hold, order->reason, answered, order);
                return;
        }
        api_answer_unavailable(order->request, unavailable);
        order_free(order);
}

static void take(struct daemon *daemon, struct api_request *request, bool hold)
{
        struct hold_order *order = xcalloc(1, sizeof *order);
        order->daemon = daemon;
        order->request = request;
        order->vm = xstrdup(api_path_word(request, 0));
        order->point = xstrdup(api_path_word(request, 1));
        order->hold = hold;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, hold ? hold_fields : release_fields, order, &error) == 0 &&
            (!name_is_safe(order->vm) || !name_is_safe(order->point)))
                error_set(&error, ERROR_CONFIG, "the name of a VM or point has letters, digits, '.', '_' and '-' only");
        if (error) {
                api_answer_error(request, error);
                order_free(order);
                return;
        }
        _cleanup_free_ char *reason = TAKE_PTR(order->reason);
        order->reason = reason ? str_one_line(reason, REASON_MAX_BYTES) : NULL;
        share_when_ready(daemon->share, start_when_ready, order);
}

void api_hold(struct daemon *daemon, struct api_request *request)
{
        take(daemon, request, true);
}

void api_release(struct daemon *daemon, struct api_request *request)
{
        take(daemon, request, false);
}
