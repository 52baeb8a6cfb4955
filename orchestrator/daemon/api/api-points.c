/* GET /v1/points and /v1/points/{vm}/{point}, answered by the catalog thread. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/state/state.h"

struct question {
        char *vm;    /* or NULL */
        char *point; /* NULL: a list */
        bool failed;
};

static void question_free(void *data)
{
        struct question *question = data;
        free(question->vm);
        free(question->point);
        free(question);
}

static void ask_share(void *data, struct share *share, share_answer_function *answer,
                      void *answer_data)
{
        const struct question *question = data;
        if (question->point)
                share_show_point(share, question->vm, question->point, answer, answer_data);
        else
                share_list_points(share, question->vm, question->failed, answer, answer_data);
}

static const struct api_order_steps question_steps = { .ask = ask_share, .free = question_free };

static void points_ask(struct api_request *request, const char *vm, const char *point, bool failed)
{
        if ((vm && !name_is_safe(vm)) || (point && !name_is_safe(point))) {
                _cleanup_error_ struct error *error = NULL;
                error_set(&error, ERROR_CONFIG,
                          "the name of a VM or point has letters, digits, '.', '_' and '-' only");
                api_answer_error(request, error);
                return;
        }
        struct question *question = xcalloc(1, sizeof *question);
        question->vm = xstrdup(vm);
        question->point = xstrdup(point);
        question->failed = failed;
        api_when_share_ready(request, &question_steps, question);
}

void api_points(struct daemon *daemon, struct api_request *request)
{
        (void)daemon;
        const char *failed = api_query(request, "failed");
        points_ask(request, api_query(request, "vm"), NULL, failed && !streq(failed, "0"));
}

void api_point(struct daemon *daemon, struct api_request *request)
{
        (void)daemon;
        points_ask(request, api_path_word(request, 0), api_path_word(request, 1), false);
}
