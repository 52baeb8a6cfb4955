/* Implements the world: what happens by itself while time passes, and what is noticed. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

enum {
        STEP_MS = 250,
        MIRROR_MS = 40,
        /* of a dead-man whose guest does not answer: its own pauses and time-outs */
        RETRY_MS = 6 * 1000,
        FROZEN_MAX_MS = (WORLD_THAW_DEADLINE_S + 5) * 1000,
        GOLD_SLOT = 3,
};

extern char **environ;

struct world *world;

void world_new(void)
{
        world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
        if (world == MAP_FAILED)
                abort();
}

static void add_text(const char *format, va_list ap)
{
        char *end = world->trace + world->trace_length;
        size_t room = sizeof world->trace - world->trace_length;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = vsnprintf(end, room, format, ap);
#pragma GCC diagnostic pop
        if (n > 0)
                world->trace_length += (size_t)n < room ? (size_t)n : room - 1;
}

void world_trace(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        add_text(format, ap);
        va_end(ap);
}

void world_violation(const char *format, ...)
{
        if (world->n_violations == WORLD_VIOLATIONS)
                return;
        char *text = world->violations[world->n_violations++];
        va_list ap;
        va_start(ap, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        vsnprintf(text, sizeof world->violations[0], format, ap);
#pragma GCC diagnostic pop
        va_end(ap);
        world_trace("        !!! %s\n", text);
}

/* Empties a folder, but for one name. */
static void empty(const char *path, const char *but, const char *and_but)
{
        _cleanup_(closedirp) DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, "..") ||
                    streq(entry->d_name, but) || streq(entry->d_name, and_but))
                        continue;
                if (fs_remove_tree_at(dirfd(dir), entry->d_name, NULL) < 0)
                        abort();
        }
}

static void write_text(const char *path, const char *text)
{
        if (fs_write_file(path, 0644, text, strlen(text), NULL) < 0)
                abort();
}

static void set_disk(struct world_disk *disk, const char *target, const char *file,
                     const char *format, const char *backing)
{
        *disk = (struct world_disk){ .n_chain = backing ? 2 : 1 };
        snprintf(disk->target, sizeof disk->target, "%s", target);
        snprintf(disk->base, sizeof disk->base, WORLD_IMAGES "/%s", file);
        snprintf(disk->format, sizeof disk->format, "%s", format);
        memcpy(disk->chain[0], disk->base, sizeof disk->base);
        memcpy(disk->formats[0], disk->format, sizeof disk->format);
        if (backing) {
                snprintf(disk->chain[1], sizeof disk->chain[1], "%s", backing);
                snprintf(disk->formats[1], sizeof disk->formats[1], "qcow2");
        }
        image_make(disk->base, format, backing, "qcow2");
        image_read(disk->base, disk->expected);
}

void world_reset(void)
{
        pid_t qemu = world->qemu;
        memset(world, 0, sizeof *world);
        world->qemu = qemu;
        if (!qemu)
                world_start_qemu();
        static const char *const folders[] = { WORLD_IMAGES,          WORLD_STATE,
                                               WORLD_STATE "/timers", WORLD_STATE "/units",
                                               "/run/systemd",        "/run/systemd/system" };
        empty("/run", "backup", "model-qemu");
        empty("/var/lib", "", "");
        empty(WORLD_SHARE, ".orch-repository", "");
        for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
                if (mkdir(folders[i], 0755) < 0)
                        abort();
        world->now_ms = 1000 * 1000;
        world->state = DOMAIN_STATE_RUNNING;
        static const char gold[] = WORLD_IMAGES "/gold.qcow2";
        image_make(gold, "qcow2", NULL, NULL);
        image_write(gold, GOLD_SLOT, UINT64_MAX);
        set_disk(&world->disks[0], "vda", "vm-1.qcow2", "qcow2", gold);
        set_disk(&world->disks[1], "vdb", "data.raw", "raw", NULL);
        world_advance(STEP_MS);
}

struct world_disk *world_disk_find(const char *target)
{
        for (size_t i = 0; i < WORLD_DISKS; i++)
                if (streq(world->disks[i].target, target))
                        return &world->disks[i];
        return NULL;
}

struct world_disk *world_disk_of_base(const char *path)
{
        for (size_t i = 0; i < WORLD_DISKS; i++)
                if (streq(world->disks[i].base, path))
                        return &world->disks[i];
        return NULL;
}

bool world_disk_is_read(const struct world_disk *disk)
{
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (world->copies[i].running && world->copies[i].disk == disk)
                        return true;
        return false;
}

/* The guest: a write to each disk whenever time passes and nothing holds it. */
static void guest_writes(void)
{
        if (world->state != DOMAIN_STATE_RUNNING || world->frozen)
                return;
        world->writes++;
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &world->disks[i];
                size_t slot = (world->writes * 5 + i) % WORLD_SLOTS;
                if (streq(disk->chain[0], disk->base) && world_disk_is_read(disk))
                        world_violation("disk %s is copied while the guest writes to it",
                                        disk->target);
                image_write(disk->chain[0], slot, world->writes);
                if (disk->committing && disk->ready)
                        image_write(disk->base, slot, world->writes);
                disk->expected[slot] = world->writes;
        }
}

void world_check_writes(void)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &world->disks[i];
                uint64_t slots[WORLD_SLOTS];
                if (!image_read(disk->chain[0], slots))
                        world_violation("disk %s cannot be read through %s", disk->target,
                                        disk->chain[0]);
                else if (memcmp(slots, disk->expected, sizeof slots) != 0)
                        world_violation("disk %s has lost writes of its guest", disk->target);
        }
}

void world_freeze(void)
{
        if (world->frozen)
                return;
        world->frozen = true;
        world->frozen_since = world->now_ms;
        write_text(WORLD_STATE "/frozen", "");
}

void world_thaw(void)
{
        unlink(WORLD_STATE "/frozen");
        if (!world->frozen)
                return;
        world->frozen = false;
        int64_t lasted = world->now_ms - world->frozen_since;
        world_trace("        (thawed after %lld ms)\n", (long long)lasted);
        if (lasted > FROZEN_MAX_MS)
                world_violation("the guest was frozen for %lld s", (long long)lasted / 1000);
}

void world_start_qemu(void)
{
        const char *const argv[] = {
                "sh",    "-c",       "while :; do read -r end < /run/model-qemu; done",
                "-uuid", WORLD_UUID, NULL
        };
        (void)!mkfifo("/run/model-qemu", 0600);
        if (posix_spawnp(&world->qemu, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
                         environ) != 0)
                abort();
}

void world_end_qemu(void)
{
        if (world->qemu)
                kill(world->qemu, SIGKILL);
        world->qemu = 0;
}

/* What a guest leaves behind that powers off: no freeze, no block job; libvirt shows the
 * configuration only. */
void world_power_off(void)
{
        world->state = DOMAIN_STATE_SHUT_OFF;
        unlink(WORLD_STATE "/frozen");
        world->frozen = world->freeze_pending = false;
        world_end_qemu();
        for (size_t i = 0; i < WORLD_DISKS; i++)
                world->disks[i].committing = world->disks[i].ready = false;
}

bool world_timer_is_armed(void)
{
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (*world->timers[i].unit)
                        return true;
        return false;
}

static struct world_timer *timer_find(const char *unit)
{
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (streq(world->timers[i].unit, unit))
                        return &world->timers[i];
        return NULL;
}

static char *timer_file(const char *unit, const char *suffix)
{
        return xasprintf(WORLD_STATE "/timers/%s%s", unit, suffix);
}

static void notice_new_timers(void)
{
        _cleanup_(closedirp) DIR *dir = opendir(WORLD_STATE "/timers");
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                if (!str_ends_with(entry->d_name, ".delay"))
                        continue;
                _cleanup_free_ char *unit =
                        xstrndup(entry->d_name, strlen(entry->d_name) - strlen(".delay"));
                if (timer_find(unit))
                        continue;
                struct world_timer *timer = timer_find("");
                _cleanup_free_ char *path = timer_file(unit, ".delay");
                _cleanup_free_ char *delay = fs_read_file(path, 64, NULL, NULL);
                if (!timer || !delay)
                        abort();
                *timer = (struct world_timer){ .due = world->now_ms +
                                                      strtoll(delay, NULL, 10) * 1000 };
                snprintf(timer->unit, sizeof timer->unit, "%s", unit);
                world_trace("        (timer %s armed for %s s)\n", unit, delay);
        }
}

static void notice_gone_timers(void)
{
        for (size_t i = 0; i < WORLD_UNITS; i++) {
                struct world_timer *timer = &world->timers[i];
                if (!*timer->unit)
                        continue;
                _cleanup_free_ char *path = timer_file(timer->unit, ".delay");
                if (access(path, F_OK) == 0)
                        continue;
                world_trace("        (timer %s disarmed)\n", timer->unit);
                timer->unit[0] = '\0';
                if (world->frozen || world->freeze_pending)
                        world_violation("the dead-man was disarmed while the guest was frozen, or "
                                        "about to be");
                else if (world->freeze_sent && !world->thawed_seen &&
                         world->state == DOMAIN_STATE_RUNNING)
                        world_violation(
                                "the dead-man was disarmed before anybody saw the guest thawed");
        }
}

static void notice_gone_overlays(void)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &world->disks[i];
                if (!*disk->overlay || image_exists(disk->overlay))
                        continue;
                if (!disk->merged)
                        world_violation("%s was unlinked before it was merged", disk->overlay);
                else if (!disk->seen_inactive ||
                         (!disk->seen_live && world->state == DOMAIN_STATE_RUNNING))
                        world_violation("%s was unlinked before its commit was witnessed",
                                        disk->overlay);
                disk->overlay[0] = '\0';
        }
}

void world_look(void)
{
        if (world->frozen && access(WORLD_STATE "/frozen", F_OK) < 0) {
                world_trace("        (thawed by a script)\n");
                world_thaw();
        }
        notice_new_timers();
        notice_gone_timers();
        notice_gone_overlays();
}

/* Fires: the script that was armed runs for real, once. One that has to wait for its guest is run
 * again later: its own pauses are the model's. */
static void fire(struct world_timer *timer)
{
        world_trace("        (timer %s fires)\n", timer->unit);
        _cleanup_free_ char *command = timer_file(timer->unit, ".sh");
        const char *const argv[] = { "sh", command, NULL };
        int status = world_spawn(argv, "MODEL_TIMER=1", NULL, NULL);
        if (status == 0) {
                _cleanup_free_ char *delay = timer_file(timer->unit, ".delay");
                unlink(delay);
                timer->unit[0] = '\0';
        } else {
                timer->due = world->now_ms + RETRY_MS;
        }
        world_look();
}

static void agent_wakes(void)
{
        if (!world->mute_until || world->now_ms < world->mute_until)
                return;
        world->mute_until = 0;
        unlink(WORLD_STATE "/mute");
        if (world->freeze_pending && world->state == DOMAIN_STATE_RUNNING) {
                world_trace("        (the agent wakes and freezes)\n");
                world_freeze();
        }
        world->freeze_pending = false;
}

static void commits_go_on(void)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &world->disks[i];
                if (disk->committing && !disk->ready && world->now_ms >= disk->ready_at) {
                        image_merge(disk->chain[0], disk->base);
                        disk->ready = true;
                }
        }
}

static void what_is_due(void)
{
        agent_wakes();
        commits_go_on();
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (world->copies[i].running && world->now_ms >= world->copies[i].ends_at)
                        world_finish_copy(&world->copies[i]);
        for (size_t i = 0; i < WORLD_UNITS; i++)
                if (*world->timers[i].unit && world->now_ms >= world->timers[i].due)
                        fire(&world->timers[i]);
}

void world_advance(int64_t milliseconds)
{
        int64_t until = world->now_ms + milliseconds;
        while (world->now_ms < until) {
                int64_t left = until - world->now_ms;
                world->now_ms += left < STEP_MS ? left : STEP_MS;
                what_is_due();
        }
        guest_writes();
}

static void add_disk_xml(struct strbuf *xml, const struct world_disk *disk, bool inactive)
{
        bool shows_overlay = world->now_ms < disk->xml_follows_at;
        size_t n = disk->n_chain;
        strbuf_addf(xml,
                    "<disk type='file' device='disk'><driver name='qemu' type='%s'/><source "
                    "file='%s'/>",
                    shows_overlay ? "qcow2" : disk->formats[0],
                    shows_overlay ? disk->overlay : disk->chain[0]);
        for (size_t i = shows_overlay ? 0 : 1; i < n; i++)
                strbuf_addf(xml, "<backingStore type='file'><format type='%s'/><source file='%s'/>",
                            disk->formats[i], disk->chain[i]);
        strbuf_add(xml, "<backingStore/>");
        for (size_t i = shows_overlay ? 0 : 1; i < n; i++)
                strbuf_add(xml, "</backingStore>");
        if (!inactive && (disk->committing || shows_overlay))
                strbuf_addf(xml,
                            "<mirror type='file' job='active-commit'%s><format type='%s'/><source "
                            "file='%s'/></mirror>",
                            disk->ready || shows_overlay ? " ready='yes'" : "", disk->format,
                            disk->base);
        strbuf_addf(xml, "<target dev='%s' bus='virtio'/></disk>", disk->target);
}

char *world_xml(bool inactive)
{
        bool on = world->state == DOMAIN_STATE_RUNNING;
        struct strbuf xml = { 0 };
        strbuf_addf(&xml,
                    "<domain type='kvm'%s><name>" WORLD_VM "</name><uuid>" WORLD_UUID "</uuid>"
                    "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>",
                    on && !inactive ? " id='1'" : "");
        for (size_t i = 0; i < WORLD_DISKS; i++)
                add_disk_xml(&xml, &world->disks[i], inactive || !on);
        strbuf_add(&xml, "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target "
                         "dev='sda' bus='sata'/><readonly/></disk>"
                         "</devices></domain>");
        return strbuf_take(&xml);
}
