/* POST /v1/points/{vm}/{point}/hold and …/release: the catalog thread changes state.json, then the
 * row of the point. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/state/state.h"

enum { REASON_MAX_BYTES = 1000 };

struct hold_order {
        char *vm;
        char *point;
        char *reason;
        bool hold;
};

static const struct json_field hold_fields[] = {
        { .name = "reason",
          .type = JSON_FIELD_TEXT,
          .offset = offsetof(struct hold_order, reason) },
        { 0 },
};
static const struct json_field release_fields[] = { { 0 } };

static void hold_order_free(void *data)
{
        struct hold_order *order = data;
        free(order->vm);
        free(order->point);
        free(order->reason);
        free(order);
}

static void hold_ask(void *data, struct share *share, share_answer_function *answer,
                     void *answer_data)
{
        const struct hold_order *order = data;
        share_hold_point(share, order->vm, order->point, order->hold, order->reason, answer,
                         answer_data);
}

static const struct api_order_steps hold_steps = { .ask = hold_ask, .free = hold_order_free };

static void hold_take_order(struct api_request *request, bool hold)
{
        struct hold_order *order = xcalloc(1, sizeof *order);
        order->vm = xstrdup(api_path_word(request, 0));
        order->point = xstrdup(api_path_word(request, 1));
        order->hold = hold;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, hold ? hold_fields : release_fields, order, &error) == 0 &&
            (!name_is_safe(order->vm) || !name_is_safe(order->point)))
                error_set(&error, ERROR_CONFIG,
                          "the name of a VM or point has letters, digits, '.', '_' and '-' only");
        if (error) {
                api_answer_error(request, error);
                hold_order_free(order);
                return;
        }
        _cleanup_free_ char *reason = TAKE_PTR(order->reason);
        order->reason = reason ? str_one_line(reason, REASON_MAX_BYTES) : NULL;
        api_when_share_ready(request, &hold_steps, order);
}

void api_hold(struct daemon *daemon, struct api_request *request)
{
        (void)daemon;
        hold_take_order(request, true);
}

void api_release(struct daemon *daemon, struct api_request *request)
{
        (void)daemon;
        hold_take_order(request, false);
}
