/* An order: a request that cannot be answered before the share is known to be available, and often
 * not before the share has answered a question. What the handler made of the request lives until
 * then. */
#pragma once

#include "daemon/api/api.h"
#include "daemon/share/share.h"

struct api_order_steps {
        /* Asks the share for what the answer needs. NULL: nothing is needed. */
        void (*ask)(void *order, struct share *share, share_answer_function *answer, void *data);
        /* Answers the request, or fails, and then the error is the answer. `text`: what the share
         * answered, NULL where it was not asked. NULL instead of a function: the text of the share,
         * JSON, is the answer. */
        int (*answer)(void *order, const char *text, struct error **err);
        void (*free)(void *order);
};

/* Takes ownership of the order, which is answered and freed, perhaps before this returns. When the
 * share is unavailable, or does not answer the question, its error is the answer. */
void api_when_share_ready(struct api_request *request, const struct api_order_steps *steps,
                          void *order);
