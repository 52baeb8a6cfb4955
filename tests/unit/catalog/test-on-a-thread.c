/* The catalog as the daemon uses it: opened, used and closed by requests to a thread of its own. */
#include "base/work-thread.h"
#include "fixture.h"

struct work {
        struct catalog **slot;
        struct catalog_entry entry;
        char *rows;
        int result;
};

static void work_open(void *data)
{
        struct work *work = data;
        bool rebuild;
        *work->slot = catalog_open(file, &rebuild, NULL);
        work->result = *work->slot ? 0 : -1;
}

static void work_record(void *data)
{
        struct work *work = data;
        work->result = catalog_record(*work->slot, &work->entry, NULL);
}

static void work_list(void *data)
{
        struct work *work = data;
        work->rows = list_text(*work->slot, NULL, true);
}

static void work_close(void *data)
{
        struct work *work = data;
        *work->slot = catalog_free(*work->slot);
}

Test(on_a_thread, opened_used_and_closed_by_requests, .init = make_folder, .fini = remove_folder)
{
        struct work_thread *thread = work_thread_new(NULL);
        struct catalog *slot = NULL;
        struct work works[6] = { { .slot = &slot } };

        for (size_t i = 0; i < ARRAY_LENGTH(works); i++)
                works[i].slot = &slot;
        work_thread_post(thread, work_open, NULL, &works[0]);
        for (size_t i = 1; i <= 3; i++) {
                works[i].entry = make_entry("a", (int64_t)i, "ok");
                work_thread_post(thread, work_record, NULL, &works[i]);
        }
        work_thread_post(thread, work_list, NULL, &works[4]);
        work_thread_post(thread, work_close, NULL, &works[5]);
        cr_assert(work_thread_stop(thread, 20000), "what was posted is done before the end");
        for (size_t i = 0; i < ARRAY_LENGTH(works); i++)
                cr_assert_eq(works[i].result, 0);
        cr_assert_str_eq(works[4].rows, "hv/a/3 hv/a/2 hv/a/1");
        free(works[4].rows);
        for (size_t i = 1; i <= 3; i++)
                catalog_entry_done(&works[i].entry);
}
