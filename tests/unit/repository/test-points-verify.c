/* Points with every kind of damage, read back. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "share-fixture.h"

enum { STARTED = 1769983215, DAY = 86400 };
#define VM SHARE "/host-1/vm-1"

/* What is wrong with one point, as one text; the caller frees. */
static char *verify_to(struct repository *repository, const char *name, enum points_depth depth)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(points_scan_named(repository, "vm-1", &list, &error), 0, "%s",
                     error_message(error));
        const struct point *point = points_choose(&list, "vm-1", name, &error);
        cr_assert(point, "%s", error_message(error));
        _cleanup_strv_ char **damage = NULL;
        uint64_t bytes = 0;
        cr_assert_eq(points_verify(repository, point, &list, depth, NULL, &bytes, &damage, &error),
                     0, "%s", error_message(error));
        return strv_join(damage, "; ");
}

static char *verify(struct repository *repository, const char *name)
{
        return verify_to(repository, name, POINTS_WHOLE);
}

static void assert_whole(struct repository *repository, const char *name)
{
        _cleanup_free_ char *damage = verify(repository, name);
        cr_assert_str_eq(damage, "", "%s: %s", name, damage);
}

/* Each half finds what is its own, and together they find what the whole finds. */
Test(points_verify, in_two_halves, .fini = share_unmount)
{
        static const struct {
                const char *command; /* in the point's folder */
                bool disks;
                bool rest;
        } cases[] = {
                { "true", false, false },
                { "printf x | dd of=vm-1-vda.qcow2 bs=1 seek=60000 conv=notrunc status=none", true,
                  false },
                { "printf x | dd of=vm-1-vda.qcow2 bs=1 seek=0 conv=notrunc status=none", true,
                  true },
                /* the scan of the points tells that at once */
                { "rm vm-1-vda.qcow2", true, false },
                { "echo >> vm-1.xml", false, true },
                { "rm configs/version.txt", false, true },
                { "sed -i /vda/d checksums.sha256", true, true },
        };
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *name = publish_sample(repository, STARTED + (int64_t)i * DAY);
                cr_assert_eq(shell("cd " VM "/%s && %s", name, cases[i].command), 0);
                _cleanup_free_ char *disks = verify_to(repository, name, POINTS_DISKS_ONLY);
                _cleanup_free_ char *rest = verify_to(repository, name, POINTS_BUT_DISKS);
                cr_expect_eq(*disks != '\0', cases[i].disks, "%s: %s", cases[i].command, disks);
                cr_expect_eq(*rest != '\0', cases[i].rest, "%s: %s", cases[i].command, rest);
        }
}

static bool is_untouched(struct repository *repository, const char *name)
{
        _cleanup_free_ char *path = xasprintf("host-1/vm-1/%s", name);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_read(repository, path, &list, NULL), 0);
        cr_assert_eq(list.count, 1);
        cr_assert(list.items[0].state.stat_digest, "noted when it was published");
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *now = points_stat_digest(repository, path, &error);
        return streq(now, list.items[0].state.stat_digest);
}

static void hold(struct point_state *state, void *data _unused_)
{
        state->held = true;
}

/* What orch and readers do to a point leaves it untouched; whatever else is done to any file of it
 * shows, also where its size and times are put back. */
Test(points_verify, what_touches_a_point, .fini = share_unmount)
{
        static const struct {
                const char *command; /* in the point's folder */
                bool untouched;
        } cases[] = {
                { "cat * configs/* > /dev/null; qemu-img check -q vm-1-vda.qcow2", true },
                { "mkdir proof; echo x > proof/screen", true },
                { "touch -r vm-1-vda.qcow2 ../when; printf x | dd of=vm-1-vda.qcow2 bs=1 "
                  "seek=70000 conv=notrunc status=none; "
                  "touch -r ../when vm-1-vda.qcow2",
                  false },
                { "cp -p vm-1-vda.qcow2 ../copy; mv ../copy vm-1-vda.qcow2", false },
                { "echo >> configs/version.txt", false },
                { "touch checksums.sha256", false },
                { "chmod 640 vm-1-vda.qcow2", false },
                { "rm vm-1.xml", false },
        };
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *name = publish_sample(repository, STARTED + (int64_t)i * DAY);
                _cleanup_free_ char *path = xasprintf("host-1/vm-1/%s", name);
                cr_assert_eq(points_change_state(repository, path, hold, NULL, NULL, NULL), 0);
                cr_assert(is_untouched(repository, name));
                cr_assert_eq(shell("cd " VM "/%s && { %s; }", name, cases[i].command), 0);
                cr_expect_eq(is_untouched(repository, name), cases[i].untouched, "%s",
                             cases[i].command);
        }
}

/* An increment, a day after the one before; `twist` may make it a wrong one. Returns its name, the
 * caller's. */
static char *publish_child(struct repository *repository, int64_t started, const char *parent,
                           void (*twist)(struct metadata *metadata))
{
        char *name = clock_format_folder(started);
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata(name);
        metadata->started = started;
        xstrdup_replace(&metadata->level, parent ? "incremental" : "full");
        metadata->parent = xstrdup(parent);
        metadata->disks[0].backing_file = parent ? xasprintf("../%s/vm-1-vda.qcow2", parent) : NULL;
        if (twist)
                twist(metadata);
        publish_metadata(repository, metadata);
        return name;
}

Test(points_verify, finds_every_kind_of_damage_and_all_of_it_at_once, .fini = share_unmount)
{
        static const struct {
                const char *command; /* in the point's folder */
                const char *words[3];
        } cases[] = {
                { "printf x | dd of=vm-1-vda.qcow2 bs=1 seek=70000 conv=notrunc status=none",
                  { "vm-1-vda.qcow2 is damaged" } },
                { "rm vm-1-vda.qcow2 configs/version.txt",
                  { "vm-1-vda.qcow2 is missing", "configs/version.txt is missing" } },
                { "truncate -s 100000 vm-1-vda.qcow2", { "vm-1-vda.qcow2 is damaged" } },
                { "truncate -s 10 vm-1-vda.qcow2",
                  { "is damaged", "cannot be opened as a qcow2 image" } },
                { "rm checksums.sha256", { "checksums.sha256 is missing" } },
                { "sed -i /vm-1.xml/d checksums.sha256", { "does not list vm-1.xml" } },
                { "rm backup-metadata.json",
                  { "backup-metadata.json is missing", "backup-metadata.json" } },
                { "sed -i 's/\"vm\": \"vm-1\"/\"vm\": \"vm-2\"/' backup-metadata.json",
                  { "is that of host-1/vm-2/", "backup-metadata.json is damaged" } },
                { "echo '<domain' >vm-1.xml; sha256sum vm-1.xml >s; sed -i '/vm-1.xml/d' "
                  "checksums.sha256; cat s "
                  ">>checksums.sha256",
                  { "vm-1.xml" } },
                { "sed -i 's/0b9a7d1c/0b9a7d1d/' vm-1.xml",
                  { "vm-1.xml is damaged", "describes the VM 0b9a7d1d" } },
                { "sed -i 's/vda/vdb/' vm-1.xml", { "lacks the disk vda" } },
        };
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *name = publish_sample(repository, STARTED);
                assert_whole(repository, name);
                cr_assert_eq(shell("cd " VM "/%s && %s", name, cases[i].command), 0);
                _cleanup_free_ char *damage = verify(repository, name);
                for (size_t j = 0; j < 3 && cases[i].words[j]; j++)
                        cr_expect(strstr(damage, cases[i].words[j]), "case %zu: %s", i, damage);
                cr_assert_eq(shell("rm -r " VM "/%s", name), 0);
        }
}

static void twist_parent(struct metadata *metadata)
{
        xstrdup_replace(&metadata->parent, NULL);
}

static void twist_start(struct metadata *metadata)
{
        metadata->started = STARTED;
}

static void twist_size(struct metadata *metadata)
{
        metadata->disks[0].virtual_bytes *= 2;
}

static void twist_target(struct metadata *metadata)
{
        xstrdup_replace(&metadata->disks[0].target, "vdb");
}

Test(points_verify, a_chain_is_followed_to_its_parent, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *full = publish_child(repository, STARTED, NULL, NULL);
        _cleanup_free_ char *child = publish_child(repository, STARTED + DAY, full, NULL);
        _cleanup_free_ char *grandchild = publish_child(repository, STARTED + 2 * DAY, child, NULL);
        assert_whole(repository, full);
        assert_whole(repository, child);
        assert_whole(repository, grandchild);

        static const struct {
                void (*twist)(struct metadata *metadata);
                const char *words;
        } cases[] = {
                { twist_parent, "names no parent" },
                { twist_size, "has 2097152 bytes but builds on one of 1048576" },
                { twist_target, "which has no such disk" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *wrong = publish_child(
                        repository, STARTED + 3 * DAY + (int64_t)i, child, cases[i].twist);
                _cleanup_free_ char *damage = verify(repository, wrong);
                cr_expect(strstr(damage, cases[i].words), "case %zu: %s", i, damage);
        }
        _cleanup_free_ char *same_second =
                publish_child(repository, STARTED + 5 * DAY, full, twist_start);
        assert_whole(repository, same_second);
        _cleanup_free_ char *older = publish_child(repository, STARTED - DAY, full, NULL);
        _cleanup_free_ char *order = verify(repository, older);
        cr_expect(strstr(order, "the chain is in the wrong order"), "%s", order);

        cr_assert_eq(shell("mv " VM "/%s /mnt/aside", child), 0);
        _cleanup_free_ char *missing = verify(repository, grandchild);
        cr_expect(strstr(missing, "which is missing"), "%s", missing);
        cr_assert_eq(shell("mv /mnt/aside " VM "/%s && : >" VM "/%s/vm-1-vda.qcow2", child, child),
                     0);
        _cleanup_free_ char *damaged = verify(repository, grandchild);
        cr_expect(strstr(damaged, "which is damaged: vm-1-vda.qcow2 has 0 bytes, expected"), "%s",
                  damaged);
}

static bool always(void *data)
{
        (void)data;
        return true;
}

Test(points_verify, a_cancelled_one_finds_nothing, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *name = publish_sample(repository, STARTED);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_named(repository, "vm-1", &list, NULL), 0);
        const struct staging_progress progress = { .cancelled = always };
        char **damage = NULL;
        uint64_t bytes = 0;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(points_verify(repository, &list.items[0], &list, POINTS_WHOLE, &progress,
                                   &bytes, &damage, &error),
                     -1);
        cr_expect_eq(error->kind, ERROR_CANCELLED);
        cr_expect_null(damage);
}

Test(points_verify, a_word_means_a_point, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        _cleanup_free_ char *old = publish_child(repository, STARTED, NULL, NULL);
        _cleanup_free_ char *new = publish_child(repository, STARTED + DAY, NULL, NULL);
        cr_assert_eq(shell("rm " VM "/%s/vm-1-vda.qcow2", new), 0);
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_all(repository, &list, NULL), 0);
        cr_expect_str_eq(points_choose(&list, "vm-1", NULL, NULL)->name, old,
                         "the newest one is damaged");
        cr_expect_str_eq(points_choose(&list, "vm-1", "latest", NULL)->name, old);
        cr_expect_str_eq(points_choose(&list, "vm-1", new, NULL)->name, new,
                         "it may be asked for by name");
        cr_expect_str_eq(points_choose(&list, "vm-1", "2026-02-02", NULL)->name, new);
        _cleanup_error_ struct error *several = NULL;
        cr_expect_null(points_choose(&list, "vm-1", "2026-02", &several));
        cr_expect(strstr(several->message, "is ambiguous"), "%s", several->message);
        cr_expect_null(points_choose(&list, "vm-1", "2027", NULL));
        cr_expect_null(points_choose(&list, "vm-2", NULL, NULL));
}

Test(points_verify, vms_are_listed_by_their_folders, .fini = share_unmount)
{
        _cleanup_(repository_freep) struct repository *repository = share_repository(64);
        free(publish_sample(repository, STARTED));
        cr_assert_eq(shell("cd " SHARE " && mkdir -p host-2/vm-1/2026-02-01-000000 "
                           "host-2/a/2026-02-01-000000 host-2/b/latest "
                           "host-2/.staging/x metadata/z/2026-02-01-000000 && ln -s vm-1 "
                           "host-1/link && touch host-2/file"),
                     0);
        _cleanup_strv_ char **vms = NULL;
        cr_assert_eq(points_list_vms(repository, &vms, NULL), 0);
        _cleanup_free_ char *names = strv_join(vms, " ");
        cr_expect_str_eq(names, "a vm-1");
        _cleanup_point_list_ struct point_list list = { 0 };
        cr_assert_eq(points_scan_named(repository, "vm-1", &list, NULL), 0);
        cr_expect_eq(list.count, 2, "of both hypervisors");
}
