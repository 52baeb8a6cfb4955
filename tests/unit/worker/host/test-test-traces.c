/* Names of what a test-restore leaves. */
#include "worker/host/test-traces.h"

#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"

Test(test_traces, are_known_by_their_name_and_repository)
{
        _cleanup_free_ char *name = test_traces_name("1a2b3c4d", "20261120-3f9a");
        cr_assert_str_eq(name, "orch-test-1a2b3c4d-20261120-3f9a");
        _cleanup_free_ char *job = NULL;
        cr_assert(test_traces_is_ours(name, "1a2b3c4d", &job));
        cr_assert_str_eq(job, "20261120-3f9a");
        cr_assert(test_traces_is_ours(name, "1a2b3c4d-1111-2222-3333-444455556666", NULL));
        static const char *const others[] = { "orch-test-ffffffff-20261120-3f9a",
                                              "orch-test-1a2b3c4d-20261120-3f9",
                                              "orch-test-1a2b3c4d-20261120-3f9a.x",
                                              "orch-1a2b3c4d-20261120-3f9a",
                                              "orch-test-1a2b3c4d",
                                              "prod-db-01",
                                              "" };
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
                cr_expect_not(test_traces_is_ours(others[i], "1a2b3c4d", NULL), "%s", others[i]);
        cr_expect_not(test_traces_is_ours(NULL, "1a2b3c4d", NULL));
}
