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
#include "schema/libvirt/domain-xml.h"

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
        world_forget_answers();
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

static const char vm_xml[] =
        "<domain type='kvm'><name>" WORLD_VM "</name><uuid>" WORLD_UUID "</uuid>"
        "<os><type arch='x86_64' machine='q35'>hvm</type><nvram>" WORLD_NVRAM "</nvram></os>"
        "<devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "
        "file='" WORLD_IMAGES "/vm-1.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source "
        "file='" WORLD_IMAGES "/data.raw'/><target dev='vdb' bus='virtio'/></disk>"
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sda' "
        "bus='sata'/><readonly/></disk>"
        "<interface type='network'><mac address='52:54:00:12:34:56'/><source network='default'/>"
        "</interface>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "</devices></domain>";

void world_reset(void)
{
        pid_t qemu = world->qemu;
        unsigned n_qemus = world->n_qemus;
        memset(world, 0, sizeof *world);
        world->qemu = qemu;
        world->n_qemus = n_qemus;
        if (!qemu)
                world_start_qemu();
        static const char *const folders[] = { WORLD_IMAGES,          WORLD_STATE,
                                               WORLD_STATE "/timers", WORLD_STATE "/units",
                                               "/run/systemd",        "/run/systemd/system",
                                               "/var/lib/libvirt",    "/var/lib/libvirt/qemu",
                                               WORLD_NVRAM_FOLDER };
        empty("/run", "backup", "model-qemu");
        empty("/var/lib", "", "");
        for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
                if (mkdir(folders[i], 0755) < 0)
                        abort();
        world->now_ms = 1000 * 1000;
        static const char gold[] = WORLD_IMAGES "/gold.qcow2";
        image_make(gold, "qcow2", NULL, NULL);
        image_write(gold, GOLD_SLOT, UINT64_MAX);
        image_make(WORLD_IMAGES "/vm-1.qcow2", "qcow2", gold, "qcow2");
        image_make(WORLD_IMAGES "/data.raw", "raw", NULL, NULL);
        write_text(WORLD_NVRAM, "the VM's own variables");
        struct world_domain *vm = world_domain_define(vm_xml, NULL);
        if (!vm)
                abort();
        vm->state = DOMAIN_STATE_RUNNING;
        vm->autostart = true;
        world_advance(STEP_MS);
}

void world_empty(void)
{
        empty("/run", "backup", "model-qemu");
        empty("/var/lib", "", "");
        world_empty_share();
}

void world_empty_share(void)
{
        empty(WORLD_SHARE, ".orch-repository", "");
}

void world_keep_point(const char *point)
{
        static const char folder[] = WORLD_SHARE "/" WORLD_HOST "/" WORLD_VM;
        empty(WORLD_SHARE, ".orch-repository", WORLD_HOST);
        empty(folder, point, "");
}

struct world_domain *world_domain_find(const char *uuid, const char *name)
{
        for (size_t i = 0; i < WORLD_DOMAINS; i++) {
                struct world_domain *domain = &world->domains[i];
                if (domain->defined &&
                    (uuid ? streq(domain->uuid, uuid) : streq(domain->name, name)))
                        return domain;
        }
        return NULL;
}

/* QEMU opens what the header of an image names; what libvirt was given has to agree. */
static void open_chain(struct world_disk *disk, const struct domain_disk *defined)
{
        char backing[WORLD_PATH], format[8];
        *disk = (struct world_disk){ .n_chain = 1 };
        snprintf(disk->target, sizeof disk->target, "%s", defined->target);
        snprintf(disk->base, sizeof disk->base, "%s", defined->path);
        snprintf(disk->format, sizeof disk->format, "%s", defined->format);
        memcpy(disk->chain[0], disk->base, sizeof disk->base);
        memcpy(disk->formats[0], disk->format, sizeof disk->format);
        if (!image_format(disk->base, format) || !streq(format, disk->format))
                world_violation("%s is defined as %s, which it is not", disk->base, disk->format);
        while (disk->n_chain < WORLD_CHAIN &&
               image_backing(disk->chain[disk->n_chain - 1], backing, format)) {
                memcpy(disk->chain[disk->n_chain], backing, sizeof backing);
                memcpy(disk->formats[disk->n_chain], format, sizeof format);
                disk->n_chain++;
        }
        for (size_t i = 0; i < defined->n_backing; i++)
                if (i + 1 >= disk->n_chain || !streq(defined->backing[i].path, disk->chain[i + 1]))
                        world_violation("%s is defined to stand on %s, which it does not",
                                        disk->base, defined->backing[i].path);
        if (!image_read(disk->base, disk->expected))
                world_violation("%s is defined as a disk and cannot be read", disk->base);
        memcpy(disk->at_definition, disk->expected, sizeof disk->expected);
}

/* Takes the hard disks out of a definition, and remembers where they were. */
static void keep_the_rest(struct world_domain *domain, const char *xml)
{
        static const char end[] = "</disk>";
        struct strbuf rest = { 0 };
        domain->disks_at = 0;
        for (const char *next; (next = strstr(xml, "<disk ")); xml = next) {
                const char *behind = strstr(next, end) + strlen(end);
                const char *kind = strstr(next, "device=");
                strbuf_append(&rest, xml, (size_t)(next - xml));
                if (!domain->disks_at)
                        domain->disks_at = rest.length;
                if (strncmp(kind + strlen("device=") + 1, "disk", 4) != 0)
                        strbuf_append(&rest, next, (size_t)(behind - next));
                next = behind;
        }
        strbuf_add(&rest, xml);
        _cleanup_free_ char *text = strbuf_take(&rest);
        if (strlen(text) >= sizeof domain->xml)
                abort();
        snprintf(domain->xml, sizeof domain->xml, "%s", text);
}

static size_t list_disks(const struct domain_xml *xml, const struct domain_disk *ret[WORLD_DISKS])
{
        size_t count = 0;
        for (size_t i = 0; i < xml->n_disks; i++)
                if (xml->disks[i].device == DISK_DEVICE_DISK && count < WORLD_DISKS)
                        ret[count++] = &xml->disks[i];
        return count;
}

/* Of one that is there: libvirt takes another definition for its next start. */
static void define_again(struct world_domain *domain, const struct domain_disk *const disks[])
{
        for (size_t i = 0; i < WORLD_DISKS; i++)
                if (!streq(domain->disks[i].base, disks[i]->path))
                        world_violation("%s is defined on %s, while it is on %s", domain->name,
                                        disks[i]->path, domain->disks[i].base);
}

/* Whether what bears the VM's UUID is what was taken away: on the same files, with all that was
 * ever written to them. */
static bool is_original(const struct world_domain *domain)
{
        bool same = world->original.defined;
        for (size_t i = 0; same && i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &domain->disks[i];
                const struct world_disk *before = &world->original.disks[i];
                same = streq(disk->base, before->base) &&
                       memcmp(disk->expected, before->expected, sizeof disk->expected) == 0;
        }
        return same;
}

struct world_domain *world_domain_define(const char *text, struct error **err)
{
        const struct domain_disk *disks[WORLD_DISKS] = { NULL };
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(text, strlen(text), err);
        if (!xml)
                return NULL;
        if (list_disks(xml, disks) != WORLD_DISKS) {
                world_violation("%s is defined without all of its disks", xml->name);
                error_set(err, ERROR_INTERNAL, "disks are missing");
                return NULL;
        }
        struct world_domain *there = world_domain_find(xml->uuid, NULL);
        struct world_domain *namesake = world_domain_find(NULL, xml->name);
        if (namesake != there) {
                error_set(err, ERROR_REFUSED, "a domain named %s is there already", xml->name);
                return NULL;
        }
        bool is_vm = streq(xml->uuid, WORLD_UUID);
        struct world_domain *domain = &world->domains[is_vm ? 0 : 1];
        keep_the_rest(domain, text);
        if (there) {
                define_again(there, disks);
                return there;
        }
        if (domain->defined)
                world_violation("a machine beside %s is defined while another is", domain->name);
        domain->defined = true;
        domain->state = DOMAIN_STATE_SHUT_OFF;
        domain->autostart = false;
        snprintf(domain->uuid, sizeof domain->uuid, "%s", xml->uuid);
        snprintf(domain->name, sizeof domain->name, "%s", xml->name);
        for (size_t i = 0; i < WORLD_DISKS; i++)
                open_chain(&domain->disks[i], disks[i]);
        if (is_vm && world->original.defined)
                world->replaced = !is_original(domain);
        return domain;
}

void world_domain_undefine(struct world_domain *domain)
{
        if (domain->state == DOMAIN_STATE_RUNNING)
                world_violation("%s loses its definition while it runs", domain->name);
        if (domain == world_vm() && !world->replaced)
                world->original = *domain;
        domain->defined = false;
        domain->autostart = false;
}

static bool is_open_elsewhere(const struct world_domain *domain, const char *path)
{
        for (size_t i = 0; i < WORLD_DOMAINS; i++) {
                const struct world_domain *other = &world->domains[i];
                if (other == domain || !other->defined || other->state != DOMAIN_STATE_RUNNING)
                        continue;
                for (size_t j = 0; j < WORLD_DISKS; j++)
                        if (streq(other->disks[j].chain[0], path))
                                return true;
        }
        return false;
}

int world_domain_start(struct world_domain *domain, struct error **err)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                uint64_t slots[WORLD_SLOTS];
                const struct world_disk *disk = &domain->disks[i];
                if (is_open_elsewhere(domain, disk->chain[0]))
                        world_violation("%s is started on %s, which another machine writes to",
                                        domain->name, disk->chain[0]);
                if (!image_read(disk->chain[0], slots))
                        return error_set(err, ERROR_INTERNAL, "%s cannot be opened",
                                         disk->chain[0]);
        }
        world_trace("        (%s starts)\n", domain->name);
        domain->state = DOMAIN_STATE_RUNNING;
        domain->started_at = world->now_ms;
        domain->off_at = 0;
        if (domain == world_vm() && !world->qemu)
                world_start_qemu();
        return 0;
}

struct world_disk *world_disk_find(const char *uuid, const char *target)
{
        struct world_domain *domain = world_domain_find(uuid, NULL);
        for (size_t i = 0; domain && i < WORLD_DISKS; i++)
                if (streq(domain->disks[i].target, target))
                        return &domain->disks[i];
        return NULL;
}

struct world_disk *world_disk_of_base(const char *path)
{
        for (size_t i = 0; i < WORLD_DISKS; i++)
                if (streq(world_vm()->disks[i].base, path))
                        return &world_vm()->disks[i];
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
static void guest_writes(struct world_domain *domain)
{
        if (!domain->defined || domain->state != DOMAIN_STATE_RUNNING ||
            (domain == world_vm() && world->frozen))
                return;
        world->writes++;
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &domain->disks[i];
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

static void check_writes_of(const struct world_domain *domain)
{
        for (size_t i = 0; domain->defined && i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &domain->disks[i];
                uint64_t slots[WORLD_SLOTS];
                if (!image_read(disk->chain[0], slots))
                        world_violation("disk %s of %s cannot be read through %s", disk->target,
                                        domain->name, disk->chain[0]);
                else if (memcmp(slots, disk->expected, sizeof slots) != 0)
                        world_violation("disk %s of %s has lost writes of its guest", disk->target,
                                        domain->name);
        }
}

void world_check_writes(void)
{
        for (size_t i = 0; i < WORLD_DOMAINS; i++)
                check_writes_of(&world->domains[i]);
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
        world->n_qemus++;
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
void world_domain_end(struct world_domain *domain)
{
        domain->state = DOMAIN_STATE_SHUT_OFF;
        domain->off_at = 0;
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &domain->disks[i];
                disk->committing = disk->pulling = disk->ready = false;
        }
        if (domain != world_vm())
                return;
        unlink(WORLD_STATE "/frozen");
        world->frozen = world->freeze_pending = false;
        world_end_qemu();
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
                         world_vm()->state == DOMAIN_STATE_RUNNING)
                        world_violation(
                                "the dead-man was disarmed before anybody saw the guest thawed");
        }
}

static void notice_gone_overlays(void)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &world_vm()->disks[i];
                if (!*disk->overlay || image_exists(disk->overlay))
                        continue;
                if (!disk->merged)
                        world_violation("%s was unlinked before it was merged", disk->overlay);
                else if (!disk->seen_inactive ||
                         (!disk->seen_live && world_vm()->state == DOMAIN_STATE_RUNNING))
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
        if (world->freeze_pending && world_vm()->state == DOMAIN_STATE_RUNNING) {
                world_trace("        (the agent wakes and freezes)\n");
                world_freeze();
        }
        world->freeze_pending = false;
}

static void block_jobs_go_on(struct world_domain *domain)
{
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                struct world_disk *disk = &domain->disks[i];
                if (world->now_ms < disk->ready_at)
                        continue;
                if (disk->committing && !disk->ready) {
                        image_merge(disk->chain[0], disk->base);
                        disk->ready = true;
                }
                if (disk->pulling) {
                        image_flatten_to(disk->chain[0], disk->chain[0], disk->format);
                        disk->n_chain = 1;
                        disk->pulling = false;
                }
        }
}

static void what_is_due(void)
{
        agent_wakes();
        for (size_t i = 0; i < WORLD_DOMAINS; i++) {
                struct world_domain *domain = &world->domains[i];
                block_jobs_go_on(domain);
                if (domain->off_at && world->now_ms >= domain->off_at) {
                        world_trace("        (%s is off)\n", domain->name);
                        world_domain_end(domain);
                }
        }
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
        for (size_t i = 0; i < WORLD_DOMAINS; i++)
                guest_writes(&world->domains[i]);
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

char *world_xml(const struct world_domain *domain, bool inactive)
{
        static const char root[] = "<domain";
        bool on = domain->state == DOMAIN_STATE_RUNNING;
        struct strbuf xml = { 0 };
        size_t head = (size_t)(strstr(domain->xml, root) - domain->xml) + strlen(root);
        strbuf_append(&xml, domain->xml, head);
        strbuf_add(&xml, on && !inactive ? " id='1'" : "");
        strbuf_append(&xml, domain->xml + head, domain->disks_at - head);
        for (size_t i = 0; i < WORLD_DISKS; i++)
                add_disk_xml(&xml, &domain->disks[i], inactive || !on);
        strbuf_add(&xml, domain->xml + domain->disks_at);
        return strbuf_take(&xml);
}
