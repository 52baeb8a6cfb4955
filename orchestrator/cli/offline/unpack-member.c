/* Names and privileges of files that come out of a guest.
 *
 * A set-user-ID program or a device node is harmless inside the guest, but on this machine any
 * local user could use it. Both are removed unless --privileged is given. */
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/strings.h"
#include "cli/offline/unpack-internal.h"
#include "cli/terminal/values.h"

/* "./a/b/" → "NAME/a/b"; NULL for a member that was not requested. The caller frees. */
static char *name_here(const struct unpack *unpack, const char *name)
{
        size_t length = strlen(name);
        while (length > 2 && name[length - 1] == '/')
                length--;
        const char *rest = name + 2;
        size_t rest_length = length - 2;
        if (unpack->is_folder)
                return rest_length ? xasprintf("%s/%.*s", unpack->name, (int)rest_length, rest)
                                   : xstrdup(unpack->name);
        bool wanted = strlen(unpack->member) == rest_length &&
                      strncmp(unpack->member, rest, rest_length) == 0;
        return wanted ? xstrdup(unpack->name) : NULL;
}

static int not_asked_for(const char *name, struct error **err)
{
        _cleanup_free_ char *shown = str_one_line(name ? name : "an unreadable name", 200);
        return error_set(err, ERROR_CORRUPT,
                         "the disk images returned something other than the requested path (%s)",
                         shown);
}

static int rename_member(const struct unpack *unpack, struct archive_entry *entry,
                         struct error **err)
{
        const char *name = archive_entry_pathname(entry);
        if (!name || !str_starts_with(name, "./"))
                return not_asked_for(name, err);
        _cleanup_free_ char *here = name_here(unpack, name);
        if (!here)
                return MEMBER_LEFT_OUT;
        const char *link = archive_entry_hardlink(entry);
        if (link && !unpack->is_folder)
                return error_set(err, ERROR_INTERNAL,
                                 "%s has hard links in its folder that cannot be distinguished "
                                 "from it; get the whole folder instead",
                                 unpack->name);
        if (link) {
                if (!str_starts_with(link, "./"))
                        return not_asked_for(link, err);
                _cleanup_free_ char *link_here = name_here(unpack, link);
                archive_entry_copy_hardlink(entry, link_here);
        }
        archive_entry_copy_pathname(entry, here);
        return MEMBER_TAKEN;
}

static void entry_freep(struct archive_entry **entry)
{
        if (*entry)
                archive_entry_free(*entry);
}

/* Removes all extended attributes but the user's own. True if a capability was among them. */
static bool take_off_attributes(struct archive_entry *entry)
{
        bool capable = false;
        int count = archive_entry_xattr_reset(entry);
        _cleanup_(entry_freep) struct archive_entry *copy =
                count > 0 ? archive_entry_clone(entry) : NULL;
        if (!copy)
                return false;
        archive_entry_xattr_clear(entry);
        archive_entry_xattr_reset(copy);
        const char *name;
        const void *value;
        size_t size;
        while (archive_entry_xattr_next(copy, &name, &value, &size) == 0) {
                if (str_starts_with(name, "user."))
                        archive_entry_xattr_add_entry(entry, name, value, size);
                capable = capable || streq(name, "security.capability");
        }
        return capable;
}

static void take_off_privileges(struct archive_entry *entry, struct unpack_tally *tally)
{
        mode_t mode = archive_entry_mode(entry);
        bool set_id = S_ISREG(mode) && (mode & (S_ISUID | S_ISGID));
        bool capable = take_off_attributes(entry);
        if (set_id)
                archive_entry_set_mode(entry, mode & ~(mode_t)(S_ISUID | S_ISGID));
        if (set_id || capable)
                tally->privileged++;
}

int unpack_member(const struct unpack *unpack, struct archive_entry *entry,
                  struct unpack_tally *tally, struct error **err)
{
        int verdict = rename_member(unpack, entry, err);
        if (verdict != MEMBER_TAKEN || unpack->privileged)
                return verdict;
        mode_t type = archive_entry_filetype(entry);
        if (type == AE_IFBLK || type == AE_IFCHR) {
                tally->devices++;
                return MEMBER_LEFT_OUT;
        }
        take_off_privileges(entry, tally);
        return MEMBER_TAKEN;
}

void unpack_tell(const struct unpack_tally *tally, struct unpack_result *result)
{
        _cleanup_free_ char *devices = format_count((int64_t)tally->devices, "device node");
        _cleanup_free_ char *privileged = format_count((int64_t)tally->privileged, "program");
        if (tally->devices)
                strv_addf(&result->warnings, "%s left out; --privileged includes them", devices);
        if (tally->privileged)
                strv_addf(&result->warnings,
                          "%s lost the set-user-ID bits or capabilities of the guest; --privileged "
                          "keeps them",
                          privileged);
}
