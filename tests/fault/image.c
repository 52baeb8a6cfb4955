/* Images of the model: small enough to be compared whole, real files so that scripts can unlink
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "image-format.h"

static bool load(const char *path, struct image *ret)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, ret, sizeof *ret) == sizeof *ret &&
               memcmp(ret->magic, IMAGE_MAGIC, sizeof ret->magic) == 0 &&
               memcmp(ret->end, IMAGE_END, sizeof ret->end) == 0;
}

static void store(const char *path, const struct image *image, size_t length)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, image, length) != (ssize_t)length)
                world_violation("the model cannot write %s: %s", path, strerror(errno));
}

static struct image blank(const char *format)
{
        struct image image = { 0 };
        memcpy(image.magic, IMAGE_MAGIC, sizeof image.magic);
        memcpy(image.end, IMAGE_END, sizeof image.end);
        strncpy(image.format, format, sizeof image.format - 1);
        return image;
}

void image_make(const char *path, const char *format, const char *backing,
                const char *backing_format)
{
        struct image image = blank(format);
        if (backing) {
                strncpy(image.backing, backing, sizeof image.backing - 1);
                strncpy(image.backing_format, backing_format, sizeof image.backing_format - 1);
        }
        store(path, &image, sizeof image);
}

void image_make_partial(const char *path)
{
        struct image image = blank("qcow2");
        store(path, &image, sizeof image / 2);
}

bool image_exists(const char *path)
{
        /* a marker is a link to nowhere */
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void image_write(const char *path, size_t slot, uint64_t value)
{
        struct image image;
        if (!load(path, &image)) {
                world_violation("the guest writes to %s, which is not there any more", path);
                return;
        }
        image.slots[slot] = value;
        store(path, &image, sizeof image);
}

bool image_backing(const char *path, char backing[WORLD_PATH], char format[8])
{
        struct image image;
        if (!load(path, &image) || !*image.backing)
                return false;
        memcpy(backing, image.backing, WORLD_PATH);
        memcpy(format, image.backing_format, 8);
        return true;
}

bool image_read(const char *path, uint64_t slots[WORLD_SLOTS])
{
        struct image image;
        if (!load(path, &image))
                return false;
        if (!*image.backing)
                memset(slots, 0, sizeof image.slots);
        else if (!image_read(image.backing, slots))
                return false;
        for (size_t i = 0; i < WORLD_SLOTS; i++)
                if (image.slots[i])
                        slots[i] = image.slots[i];
        return true;
}

void image_merge(const char *overlay, const char *base)
{
        struct image from, into;
        if (!load(overlay, &from) || !load(base, &into)) {
                world_violation("%s cannot be merged into %s: one of them is gone", overlay, base);
                return;
        }
        for (size_t i = 0; i < WORLD_SLOTS; i++)
                if (from.slots[i])
                        into.slots[i] = from.slots[i];
        store(base, &into, sizeof into);
}

void image_flatten_to(const char *path, const char *target, const char *format)
{
        struct image image = blank(format);
        if (!image_read(path, image.slots))
                world_violation("%s cannot be read for a copy", path);
        store(target, &image, sizeof image);
}

bool image_format(const char *path, char format[8])
{
        struct image image;
        if (!load(path, &image))
                return false;
        memcpy(format, image.format, 8);
        return true;
}
