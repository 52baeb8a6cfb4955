/* Replaces guest-files-appliance.c if orch is built without libguestfs. */
#include "transports/guest-files/guest-files-internal.h"

int guest_files_check(struct error **err)
{
        return error_set(
                err, ERROR_CONFIG,
                "this orch was built without libguestfs, which is needed to read files in disk "
                "images. Install libguestfs-dev and libarchive-dev (RHEL: libguestfs-devel, "
                "libarchive-devel) and build it with -Dlibguestfs=enabled; or open the image on a "
                "machine that has guestfish: guestfish --ro -i -a IMAGE");
}

int guest_files_serve(const struct guest_files_serving *serving _unused_, struct error **err)
{
        return guest_files_check(err);
}
