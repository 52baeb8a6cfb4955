/* Replaces unpack.c if orch is built without libguestfs. Opening a point's files fails before this
 * code is reached; its message names the missing library. */
#include "base/strings.h"
#include "cli/offline/unpack.h"

void unpack_result_done(struct unpack_result *result)
{
        strv_free(result->warnings);
        *result = (struct unpack_result){ 0 };
}

static int not_built(struct error **err)
{
        return error_set(err, ERROR_CONFIG,
                         "this orch was built without libarchive, which is needed to unpack files");
}

int unpack_to_folder(const struct unpack *unpack _unused_, const char *folder _unused_,
                     bool replace _unused_, struct unpack_result *ret _unused_, struct error **err)
{
        return not_built(err);
}

int unpack_to_tar(const struct unpack *unpack _unused_, int fd _unused_,
                  struct unpack_result *ret _unused_, struct error **err)
{
        return not_built(err);
}
