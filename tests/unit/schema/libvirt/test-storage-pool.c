/* The folder of a storage pool, and pools that have none. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "schema/libvirt/storage-pool.h"

Test(storage_pool, folders_and_others)
{
        static const char dir[] =
                "<pool type='dir'><name>a</name><target><path>/srv/pool</path></target></pool>";
        _cleanup_free_ char *folder = storage_pool_folder(dir, strlen(dir), NULL);
        cr_assert_str_eq(folder, "/srv/pool");
        static const char *const others[] = {
                "<pool type='logical'><target><path>/dev/vg</path></target></pool>",
                "<pool type='dir'/>", "<pool type='dir'><target><path>x</path></target></pool>",
                "<network/>", ""
        };
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
                cr_assert_null(storage_pool_folder(others[i], strlen(others[i]), NULL), "%s",
                               others[i]);
}
