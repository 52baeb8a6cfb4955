/* Implements daemon/api/api-order.h. */
#include "daemon/api/api-order.h"

#include "base/memory.h"
#include "daemon/state/state.h"

struct waiting {
        struct api_request *request;
        const struct api_order_steps *steps;
        void *order;
};

static void done(struct waiting *waiting)
{
        waiting->steps->free(waiting->order);
        free(waiting);
}

static void told(void *data, const struct error *failed, const char *text)
{
        struct waiting *waiting = data;
        _cleanup_error_ struct error *error = NULL;
        if (failed)
                api_answer_error(waiting->request, failed);
        else if (!waiting->steps->answer)
                api_answer_text(waiting->request, "application/json", xstrdup(text));
        else if (waiting->steps->answer(waiting->order, text, &error) < 0)
                api_answer_error(waiting->request, error);
        done(waiting);
}

static void ready(void *data, const struct error *unavailable, const char *unused)
{
        (void)unused;
        struct waiting *waiting = data;
        if (unavailable) {
                api_answer_unavailable(waiting->request, unavailable);
                done(waiting);
        } else if (waiting->steps->ask) {
                waiting->steps->ask(waiting->order, api_daemon(waiting->request)->share, told,
                                    waiting);
        } else {
                told(waiting, NULL, NULL);
        }
}

void api_when_share_ready(struct api_request *request, const struct api_order_steps *steps,
                          void *order)
{
        struct waiting *waiting = xcalloc(1, sizeof *waiting);
        *waiting = (struct waiting){ .request = request, .steps = steps, .order = order };
        share_when_ready(api_daemon(request)->share, ready, waiting);
}
