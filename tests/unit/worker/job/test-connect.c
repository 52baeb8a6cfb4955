/* The share that a job was given: it has to be the one that the job is about. */
#include "worker/job/connect.h"

#include <criterion/criterion.h>
#include <string.h>

#include "../repository/share-fixture.h"
#include "base/memory.h"

Test(connect, a_job_opens_the_share_that_it_is_about_and_no_other)
{
        struct repository *share = share_repository(64);
        _cleanup_free_ char *uuid = xstrdup(repository_uuid(share));
        repository_free(share);
        struct settings settings = { .repository_path = (char *)SHARE,
                                     .repository_fstype = REPOSITORY_FSTYPE_ANY };
        struct job_request request = { .repository_uuid = uuid };
        _cleanup_error_ struct error *error = NULL;
        struct repository *opened = worker_open_repository(&settings, &request, &error);
        cr_assert(opened, "%s", error_message(error));
        repository_free(opened);

        request.repository_uuid = (char *)"7d444840-9dc0-11d1-b245-5ffdce74fad2";
        cr_assert_null(worker_open_repository(&settings, &request, &error));
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert(strstr(error->message, "is now another one") && strstr(error->message, uuid) &&
                          strstr(error->message, request.repository_uuid),
                  "%s", error->message);
}
