/* An order: a request that cannot be answered before the share is known to be fine, and often not
 * before it has told something. What the handler makes of the request lives until the answer. */
#pragma once

#include "daemon/api/api.h"
#include "daemon/share/share.h"

struct api_order_steps {
        /* Asks the share for what the answer is made of. NULL: nothing. */
        void (*ask)(void *order, struct share *share, share_answer_function *told, void *data);
        /* Answers the request, or fails; the error is then the answer. `text`: what the share told,
         * NULL where it was not asked. A NULL here: what the share told, a JSON text, is the
         * answer. */
        int (*answer)(void *order, const char *text, struct error **err);
        void (*free)(void *order);
};

/* Takes the order over. It is answered and freed, perhaps before this returns; a share that cannot
 * be used now, or that fails to tell, is answered with what is wrong with it. */
void api_when_share_ready(struct api_request *request, const struct api_order_steps *steps,
                          void *order);
