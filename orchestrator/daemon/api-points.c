/* GET /v1/points and /v1/points/{vm}/{point}: asked of the catalog thread. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api.h"
#include "daemon/daemon-internal.h"

struct question {
        struct daemon *daemon;
        struct api_request *request;
        char *vm;    /* or NULL */
        char *point; /* NULL: a list */
        bool failed;
};

static void question_free(struct question *question)
{
        free(question->vm);
        free(question->point);
        free(question);
}

static void answered(void *data, const struct error *error, const char *text)
{
        struct question *question = data;
        if (error)
                api_answer_error(question->request, error);
        else
                api_answer_text(question->request, "application/json", xstrdup(text));
        question_free(question);
}

static void ask_when_ready(void *data, const struct error *unavailable, const char *unused)
{
        (void)unused;
        struct question *question = data;
        if (unavailable) {
                api_answer_unavailable(question->request, unavailable);
                question_free(question);
        } else if (question->point) {
                share_show_point(question->daemon->share, question->vm, question->point, answered, question);
        } else {
                share_list_points(question->daemon->share, question->vm, question->failed, answered, question);
        }
}

static void ask(struct daemon *daemon, struct api_request *request, const char *vm, const char *point, bool failed)
{
        if ((vm && !name_is_safe(vm)) || (point && !name_is_safe(point))) {
                _cleanup_error_ struct error *error = NULL;
                error_set(&error, ERROR_CONFIG, "the name of a VM or point has letters, digits, '.', '_' and '-' only");
                api_answer_error(request, error);
                return;
        }
        struct question *question = xcalloc(1, sizeof *question);
        question->daemon = daemon;
        question->request = request;
        question->vm = xstrdup(vm);
        question->point = xstrdup(point);
        question->failed = failed;
        share_when_ready(daemon->share, ask_when_ready, question);
}

void api_points(struct daemon *daemon, struct api_request *request)
{
        const char *failed = api_query(request, "failed");
        ask(daemon, request, api_query(request, "vm"), NULL, failed && !streq(failed, "0"));
}

void api_point(struct daemon *daemon, struct api_request *request)
{
        ask(daemon, request, api_path_word(request, 0), api_path_word(request, 1), false);
}
