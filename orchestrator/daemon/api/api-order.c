/* Implements daemon/api/api-order.h. */
#include "daemon/api/api-order.h"

#include "base/memory.h"
#include "daemon/state/state.h"

struct waiting {
        struct api_request *request;
        const struct api_order_steps *steps;
        void *order;
};

static void order_finish(struct waiting *waiting)
{
        waiting->steps->free(waiting->order);
        free(waiting);
}

static void on_order_answer(void *data, const struct error *failed, const char *text)
{
        struct waiting *waiting = data;
        _cleanup_error_ struct error *error = NULL;
        if (failed)
                api_answer_error(waiting->request, failed);
        else if (!waiting->steps->answer)
                api_answer_text(waiting->request, "application/json", xstrdup(text));
        else if (waiting->steps->answer(waiting->order, text, &error) < 0)
                api_answer_error(waiting->request, error);
        order_finish(waiting);
}

static void on_order_ready(void *data, const struct error *unavailable, const char *unused)
{
        (void)unused;
        struct waiting *waiting = data;
        if (unavailable) {
                api_answer_unavailable(waiting->request, unavailable);
                order_finish(waiting);
        } else if (waiting->steps->ask) {
                waiting->steps->ask(waiting->order, api_daemon(waiting->request)->share,
                                    on_order_answer, waiting);
        } else {
                on_order_answer(waiting, NULL, NULL);
        }
}

void api_when_share_ready(struct api_request *request, const struct api_order_steps *steps,
                          void *order)
{
        struct waiting *waiting = xcalloc(1, sizeof *waiting);
        *waiting = (struct waiting){ .request = request, .steps = steps, .order = order };
        share_when_ready(api_daemon(request)->share, on_order_ready, waiting);
}
