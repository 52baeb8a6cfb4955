/* What libvirt is sent for checkpoints and backup jobs, and what it answers. */
#include "schema/libvirt/checkpoint-xml.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

static const struct checkpoint_disk disks[] = {
        { .target = "vda", .bitmap = true, .scratch = "/s/a<&\"'b.increment", .since = "orch-1" },
        { .target = "vdb", .scratch = "/s/b.increment" },
        { .target = "sda" },
};

Test(checkpoint_xml, names_every_disk)
{
        _cleanup_free_ char *xml = checkpoint_xml_make("orch-2", disks, ARRAY_LENGTH(disks));
        cr_assert_str_eq(xml, "<domaincheckpoint><name>orch-2</name><disks><disk name=\"vda\" "
                              "checkpoint=\"bitmap\"/>"
                              "<disk name=\"vdb\" checkpoint=\"no\"/><disk name=\"sda\" "
                              "checkpoint=\"no\"/></disks></domaincheckpoint>");
}

Test(checkpoint_xml, a_job_takes_some_disks_since_a_checkpoint_and_some_whole)
{
        _cleanup_free_ char *xml = backup_xml_make(disks, ARRAY_LENGTH(disks));
        cr_assert_str_eq(
                xml, "<domainbackup mode=\"push\"><disks>"
                     "<disk name=\"vda\" backup=\"yes\" type=\"file\" backupmode=\"incremental\" "
                     "incremental=\"orch-1\"><driver type=\"qcow2\"/>"
                     "<target file=\"/s/a&lt;&amp;&quot;'b.increment\"/></disk>"
                     "<disk name=\"vdb\" backup=\"yes\" type=\"file\" backupmode=\"full\"><driver "
                     "type=\"qcow2\"/><target "
                     "file=\"/s/b.increment\"/>"
                     "</disk><disk name=\"sda\" backup=\"no\"/></disks></domainbackup>");
}

static int size_of(const char *text, uint64_t *ret)
{
        _cleanup_error_ struct error *error = NULL;
        int r = checkpoint_xml_size(text, strlen(text), ret, &error);
        cr_assert_eq(r < 0, error && error->kind == ERROR_CORRUPT);
        return r;
}

Test(checkpoint_xml, sizes_are_added_up)
{
        uint64_t bytes = 7;
        cr_assert_eq(size_of("<domaincheckpoint><name>x</name><disks><disk name='vda' "
                             "checkpoint='bitmap' size='65536'/>"
                             "<disk name='vdb' checkpoint='no'/><disk name='vdc' "
                             "size='1'/></disks></domaincheckpoint>",
                             &bytes),
                     0);
        cr_assert_eq(bytes, 65537);
}

Test(checkpoint_xml, what_is_no_size_or_no_checkpoint_is_refused)
{
        static const char *const texts[] = {
                "",
                "<domain/>",
                "<domaincheckpoint><disks><disk name='a' size='-1'/></disks></domaincheckpoint>",
                "<domaincheckpoint><disks><disk name='a' size='1k'/></disks></domaincheckpoint>",
                "<domaincheckpoint><disks><disk name='a' "
                "size='99999999999999999999999'/></disks></domaincheckpoint>",
                "<domaincheckpoint><disks><disk name='a' size='9223372036854775807'/><disk "
                "name='b' "
                "size='9'/></disks></domaincheckpoint>",
        };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                uint64_t bytes = 0;
                cr_assert_eq(size_of(texts[i], &bytes), -1, "%s", texts[i]);
        }
}
