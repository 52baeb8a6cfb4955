/* Implements worker/job/names.h. */
#include "worker/job/names.h"

#include <assert.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

enum {
        FILE_NAME_MAX = 255,
        MARKER_ROOM = 12, /* room for a suffix such as ".committed" */
        SHORT_UUID_LENGTH = 8,
        JOB_LENGTH = 13, /* "20261120-3f9a" */
};

static const char marker[] = ".orch-";

char *names_short_uuid(const char *repository_uuid)
{
        return xstrndup(repository_uuid, SHORT_UUID_LENGTH);
}

char *names_tag(const char *short_uuid, const char *job)
{
        return xasprintf("orch-%s-%s", short_uuid, job);
}

char *names_overlay(const char *base, bool base_is_block, const char *scratch, const char *vm,
                    const char *target, const char *tag)
{
        if (!base_is_block &&
            strlen(path_base(base)) + 1 + strlen(tag) + MARKER_ROOM <= FILE_NAME_MAX)
                return xasprintf("%s.%s", base, tag);
        _cleanup_free_ char *name = xasprintf("%s-%s.%s", vm, target, tag);
        return path_join(scratch, name);
}

static bool is_hex(const char *text, size_t length)
{
        return strspn(text, "0123456789abcdef") >= length;
}

bool names_is_job(const char *job)
{
        return job && strlen(job) == JOB_LENGTH && strspn(job, "0123456789") == 8 &&
               job[8] == '-' && is_hex(job + 9, 4);
}

/* The tag's part after ".orch-" at the very end of the path, or NULL. */
static const char *overlay_suffix(const char *path)
{
        size_t wanted = sizeof marker - 1 + SHORT_UUID_LENGTH + 1 + JOB_LENGTH;
        size_t length = path ? strlen(path) : 0;
        if (length <= wanted)
                return NULL;
        const char *suffix = path + length - wanted;
        if (memcmp(suffix, marker, sizeof marker - 1) != 0)
                return NULL;
        suffix += sizeof marker - 1;
        return is_hex(suffix, SHORT_UUID_LENGTH) && suffix[SHORT_UUID_LENGTH] == '-' &&
                               names_is_job(suffix + SHORT_UUID_LENGTH + 1)
                       ? suffix
                       : NULL;
}

bool names_is_an_overlay(const char *path)
{
        return overlay_suffix(path) != NULL;
}

bool names_is_our_overlay(const char *path, const char *short_uuid, char **ret_job)
{
        const char *suffix = overlay_suffix(path);
        if (!suffix || strncmp(suffix, short_uuid, SHORT_UUID_LENGTH) != 0)
                return false;
        if (ret_job)
                *ret_job = xstrdup(suffix + SHORT_UUID_LENGTH + 1);
        return true;
}

char *names_overlay_unit(const char *overlay)
{
        const char *suffix = overlay_suffix(overlay);
        assert(suffix);
        return xasprintf("orch-%s-commit", suffix);
}

bool names_is_our_checkpoint(const char *checkpoint, const char *short_uuid)
{
        _cleanup_free_ char *start = names_tag(short_uuid, "");
        return str_starts_with(checkpoint, start) && names_is_job(checkpoint + strlen(start));
}
