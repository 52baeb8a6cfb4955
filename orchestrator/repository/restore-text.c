/* Implements repository/restore-text.h.
 *
 * The layout is part of the promise: each command is on a line of its own, indented by four spaces,
 * and nothing else is indented so. Run from top to bottom, the commands restore the VM as it was,
 * to the paths that its XML names, so that nothing has to be edited. Commands for other cases
 * (another place, a second copy beside the original) are indented by two. Nothing is overwritten:
 * existing files are renamed. */
#include "repository/restore-text.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

#define DEFAULT_IMAGES "/var/lib/libvirt/images"
#define DEFAULT_SWTPM "/var/lib/libvirt/swtpm"

/* Names that the text uses repeatedly. */
struct restore_words {
        const struct metadata *metadata;
        char *vm;        /* for people */
        char *domain;    /* quoted for a shell */
        char *folder;    /* of the point, quoted */
        char *xml;       /* quoted */
        char *copy_name; /* of a second VM */
};

static void restore_words_done(struct restore_words *words)
{
        free(words->vm);
        free(words->domain);
        free(words->folder);
        free(words->xml);
        free(words->copy_name);
}

static const char *or_unknown(const char *text)
{
        return text ? text : "not known";
}

static const char *domain_of(const struct metadata *metadata)
{
        return metadata->domain ? metadata->domain : metadata->vm;
}

static bool disk_is_block(const struct metadata_disk *disk)
{
        return streq(disk->source_type, "block");
}

static const char *format_of(const struct metadata_disk *disk)
{
        return disk->source_format ? disk->source_format : "qcow2";
}

static void add_fact(struct strbuf *buf, const char *name, const char *text)
{
        _cleanup_free_ char *clean = str_one_line(or_unknown(text), 400);
        strbuf_addf(buf, "  %-13s %s\n", name, clean);
}

static const char *explain_consistency(const char *consistency)
{
        if (streq(consistency, "filesystem"))
                return "filesystem (the guest's file systems were frozen for the "
                       "snapshot)";
        if (streq(consistency, "crash"))
                return "crash (as after a power cut: the guest replays its journals at its first "
                       "start)";
        if (streq(consistency, "offline"))
                return "offline (the VM was shut off)";
        return or_unknown(consistency);
}

static void restore_text_add_head(struct strbuf *buf, const struct restore_words *words)
{
        const struct metadata *metadata = words->metadata;
        _cleanup_free_ char *title =
                xasprintf("Restoring %s from %s", words->vm, or_unknown(metadata->point));
        strbuf_addf(buf, "%s\n", title);
        for (size_t i = 0; i < strlen(title); i++)
                strbuf_add_char(buf, '=');
        strbuf_add(buf,
                   "\n\nThis folder is a backup of one virtual machine: plain qcow2 images, its "
                   "libvirt XML, and checksums. "
                   "The steps below need\nsha256sum, qemu-img and virsh, and no part of the "
                   "program that made it.\n\n");
        _cleanup_free_ char *moment =
                metadata->snapshot_at ? clock_format_rfc3339(metadata->snapshot_at) : NULL;
        add_fact(buf, "VM", metadata->vm);
        add_fact(buf, "libvirt name", domain_of(metadata));
        add_fact(buf, "UUID", metadata->uuid);
        add_fact(buf, "ran on", metadata->ran_on ? metadata->ran_on : metadata->hypervisor);
        add_fact(buf, "snapshot at", moment);
        add_fact(buf, "consistency", explain_consistency(metadata->consistency));
        add_fact(buf, "level", metadata->level);
        add_fact(buf, "machine", metadata->machine);
        add_fact(buf, "libvirt", metadata->libvirt_version);
        add_fact(buf, "QEMU", metadata->qemu_version);
        strbuf_add(buf,
                   "\nRun the lines that are indented by four spaces as root, from top to bottom "
                   "and in one shell, on the "
                   "hypervisor that is to\n"
                   "run the VM. They restore everything to the paths in the VM's XML, so that "
                   "nothing needs to be edited. Lines\nindented by two spaces are for the cases "
                   "that the text beside them names.\n\n");
}

static void add_verify(struct strbuf *buf, const struct restore_words *words)
{
        strbuf_add(buf, "1. Go to this folder and verify it\n\n"
                        "If the share is mounted elsewhere on this hypervisor, change only this "
                        "first command. Every line that "
                        "sha256sum\n"
                        "prints must end with OK; if one does not, use another restore point.\n\n");
        strbuf_addf(buf, "    cd %s\n    sha256sum -c checksums.sha256\n\n", words->folder);
        if (!words->metadata->parent)
                return;
        _cleanup_free_ char *parent = xasprintf("../%s", words->metadata->parent);
        _cleanup_free_ char *quoted = shell_quote(parent);
        strbuf_addf(
                buf,
                "This point is an increment: its images hold what changed since the point %s "
                "beside it, and\nqemu-img reads the rest from there. So that folder must be intact "
                "too (and, if it is an increment, the one that its RESTORE.txt names):\n\n"
                "    (cd %s && sha256sum -c checksums.sha256)\n\n",
                words->metadata->parent, quoted);
}

static void add_look(struct strbuf *buf, const struct restore_words *words)
{
        strbuf_addf(buf,
                    "2. Check whether the VM still exists\n\n"
                    "    virsh list --all\n\n"
                    "If %s is listed, it has to be replaced or kept. To replace it, shut it off "
                    "and remove its old definition (its disks and firmware state stay):\n\n"
                    "  virsh shutdown %s\n"
                    "  virsh undefine --managed-save --snapshots-metadata --checkpoints-metadata "
                    "--keep-nvram --keep-tpm %s\n\n"
                    "To keep it and start this copy beside it, go to \"Beside the original, or "
                    "elsewhere\" below now.\n",
                    words->vm, words->domain, words->domain);
        if (words->metadata->networks && words->metadata->networks[0]) {
                _cleanup_free_ char *joined = strv_join(words->metadata->networks, ", ");
                _cleanup_free_ char *networks = str_one_line(joined, 1000);
                strbuf_addf(buf,
                            "\nThe VM is connected to: %s. Networks and bridges of these names "
                            "must exist here.\n",
                            networks);
        }
        strbuf_add_char(buf, '\n');
}

/* It works for a folder too: --backup renames an earlier one that was set aside. */
static void add_aside(struct strbuf *buf, const char *path)
{
        _cleanup_free_ char *aside = xasprintf("%s.before-restore", path);
        _cleanup_free_ char *quoted_aside = shell_quote(aside);
        _cleanup_free_ char *quoted_path = shell_quote(path);
        strbuf_addf(buf, "    [ ! -e %s ] || mv -vT --backup=numbered %s %s\n", quoted_path,
                    quoted_path, quoted_aside);
}

static void add_disk_file(struct strbuf *buf, const char *file, const char *path,
                          const char *format)
{
        _cleanup_free_ char *directory = path_directory(path);
        _cleanup_free_ char *quoted_directory = shell_quote(directory);
        _cleanup_free_ char *quoted_path = shell_quote(path);
        strbuf_addf(buf, "    mkdir -p %s\n", quoted_directory);
        add_aside(buf, path);
        strbuf_addf(buf, "    qemu-img convert -p -O %s %s %s\n", format, file, quoted_path);
}

static void add_disk_block(struct strbuf *buf, const char *file, const char *path,
                           const char *format)
{
        _cleanup_free_ char *quoted_path = shell_quote(path);
        strbuf_addf(buf, "    qemu-img convert -p %s-O %s %s %s\n",
                    streq(format, "raw") ? "-n " : "", format, file, quoted_path);
}

static void restore_text_add_disk(struct strbuf *buf, const struct metadata_disk *disk)
{
        _cleanup_free_ char *file = shell_quote(disk->file);
        _cleanup_free_ char *path = str_one_line(or_unknown(disk->source_path), 1000);
        _cleanup_free_ char *format = shell_quote(format_of(disk));
        _cleanup_free_ char *size = format_bytes(disk->virtual_bytes);
        strbuf_addf(buf, "%s: %s, %s, was %s %s\n", disk->target, size, format_of(disk),
                    disk_is_block(disk) ? "the block device" : "the file", path);
        if (disk_is_block(disk))
                strbuf_addf(buf,
                            "(the device must exist with at least %ju bytes, and its content is "
                            "OVERWRITTEN)\n",
                            (uintmax_t)disk->virtual_bytes);
        strbuf_add_char(buf, '\n');
        if (!disk->source_path)
                strbuf_addf(buf, "  qemu-img convert -p -O qcow2 %s " DEFAULT_IMAGES "/%s\n", file,
                            file);
        else if (disk_is_block(disk))
                add_disk_block(buf, file, disk->source_path, format);
        else
                add_disk_file(buf, file, disk->source_path, format);
        strbuf_add_char(buf, '\n');
}

static void restore_text_add_disks(struct strbuf *buf, const struct restore_words *words)
{
        const struct metadata *metadata = words->metadata;
        strbuf_add(buf, "3. Restore the disks\n\n"
                        "Each command makes an independent disk that no longer needs this folder. "
                        "An existing file is renamed,\nnot overwritten.\n\n");
        if (metadata->n_disks == 0)
                strbuf_add(buf, "This point has no disks.\n\n");
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (metadata->disks[i].file)
                        restore_text_add_disk(buf, &metadata->disks[i]);
        for (size_t i = 0; i < metadata->n_excluded; i++) {
                _cleanup_free_ char *reason = str_one_line(metadata->excluded[i].reason, 400);
                _cleanup_free_ char *target = str_one_line(metadata->excluded[i].target, 100);
                strbuf_addf(buf,
                            "%s is NOT in this backup (%s). If it does not exist here, remove its "
                            "<disk> from the XML.\n\n",
                            target, reason);
        }
        strbuf_add(buf, "If a <disk> of the XML has a <backingStore> with a path in it, remove "
                        "that element: the restored disks\nhave no backing file. Edit a copy of "
                        "the XML, not the one in this folder, and "
                        "define the copy in step 4.\n\n");
}

static void add_firmware(struct strbuf *buf, const struct restore_words *words)
{
        const struct metadata *metadata = words->metadata;
        if (!metadata->nvram_file && !metadata->tpm_folder)
                return;
        strbuf_add(
                buf,
                "Firmware state: boot entries and other variables that the VM stored there.\n\n");
        if (metadata->nvram_file && metadata->nvram_path) {
                _cleanup_free_ char *file = shell_quote(metadata->nvram_file);
                _cleanup_free_ char *path = shell_quote(metadata->nvram_path);
                add_aside(buf, metadata->nvram_path);
                strbuf_addf(buf, "    install -D -m 0600 %s %s\n", file, path);
        }
        if (metadata->tpm_folder && metadata->uuid) {
                _cleanup_free_ char *source = xasprintf("%s/.", metadata->tpm_folder);
                _cleanup_free_ char *quoted = shell_quote(source);
                _cleanup_free_ char *state = xasprintf(DEFAULT_SWTPM "/%s", metadata->uuid);
                add_aside(buf, state);
                strbuf_addf(buf,
                            "    mkdir -p " DEFAULT_SWTPM "/%s\n    cp -a %s " DEFAULT_SWTPM
                            "/%s/\n",
                            metadata->uuid, quoted, metadata->uuid);
        }
        strbuf_add_char(buf, '\n');
}

static void restore_text_add_configs(struct strbuf *buf, const struct metadata *metadata)
{
        if (metadata->n_configs == 0)
                return;
        strbuf_add(buf, "The configuration of the appliance\n\n"
                        "The configuration as the appliance printed it, as text: to read, or to "
                        "enter at the console of a newly\ninstalled appliance (passwords and keys "
                        "that it masks must be entered by hand):\n\n");
        for (size_t i = 0; i < metadata->n_configs; i++) {
                _cleanup_free_ char *file = str_one_line(metadata->configs[i].file, 300);
                _cleanup_free_ char *size = format_bytes(metadata->configs[i].stored_bytes);
                strbuf_addf(buf, "  %s, %s\n", file, size);
        }
        if (metadata->configs_diff)
                strbuf_addf(buf, "  %s, what changed since %s\n", metadata->configs_diff,
                            or_unknown(metadata->configs_compared_with));
        strbuf_add_char(buf, '\n');
}

static void add_define(struct strbuf *buf, const struct restore_words *words)
{
        strbuf_addf(buf,
                    "4. Define and start the VM\n\n"
                    "    virsh define %s\n"
                    "    virsh start %s\n"
                    "    virsh domstate %s\n\n"
                    "The last command must print \"running\". Watch it boot with virsh console, or "
                    "a viewer.\n\n",
                    words->xml, words->domain, words->domain);
}

/* The path of a second copy's disk: a name that no other file has. */
static char *copy_path(const struct restore_words *words, const struct metadata_disk *disk)
{
        return xasprintf(DEFAULT_IMAGES "/%s-%s.qcow2", words->copy_name, disk->target);
}

static void add_copy_disks(struct strbuf *buf, const struct restore_words *words)
{
        const struct metadata *metadata = words->metadata;
        for (size_t i = 0; i < metadata->n_disks; i++) {
                if (!metadata->disks[i].file)
                        continue;
                _cleanup_free_ char *file = shell_quote(metadata->disks[i].file);
                _cleanup_free_ char *path = copy_path(words, &metadata->disks[i]);
                _cleanup_free_ char *quoted = shell_quote(path);
                strbuf_addf(buf, "  qemu-img convert -p -O qcow2 %s %s\n", file, quoted);
        }
        strbuf_add_char(buf, '\n');
}

static void add_copy_edits(struct strbuf *buf, const struct restore_words *words)
{
        const struct metadata *metadata = words->metadata;
        _cleanup_free_ char *domain = str_one_line(domain_of(metadata), 400);
        strbuf_addf(buf, "  - <name>%s</name> becomes <name>%s</name>\n", domain, words->copy_name);
        strbuf_add(buf,
                   "  - the line <uuid>...</uuid> is deleted, and so is each line <mac "
                   "address='...'/>: libvirt makes new ones, because two\n  VMs with one address "
                   "conflict on the network (if the original no longer exists, keep them)\n");
        for (size_t i = 0; i < metadata->n_disks; i++) {
                const struct metadata_disk *disk = &metadata->disks[i];
                if (!disk->file)
                        continue;
                _cleanup_free_ char *from = str_one_line(or_unknown(disk->source_path), 1000);
                _cleanup_free_ char *to = copy_path(words, disk);
                strbuf_addf(buf, "  - disk %s: %s becomes %s\n", disk->target, from, to);
                if (disk_is_block(disk))
                        strbuf_addf(buf,
                                    "  - disk %s: <disk type='block' ...> becomes <disk "
                                    "type='file' ...>, <source dev=...> becomes "
                                    "<source file=...>\n",
                                    disk->target);
                if (!streq(format_of(disk), "qcow2"))
                        strbuf_addf(buf,
                                    "  - disk %s: <driver ... type='%s' ...> becomes <driver ... "
                                    "type='qcow2' ...>\n",
                                    disk->target, format_of(disk));
        }
        if (metadata->nvram_file)
                strbuf_addf(buf,
                            "  - the path in <nvram> becomes "
                            "/var/lib/libvirt/qemu/nvram/%s_VARS.fd; copy %s there\n",
                            words->copy_name, metadata->nvram_file);
        if (metadata->tpm_folder)
                strbuf_addf(buf,
                            "  - the TPM's state belongs to the UUID: if the guest needs it, set a "
                            "<uuid> of your own and copy %s/ to\n"
                            "  " DEFAULT_SWTPM "/<that UUID>/\n",
                            metadata->tpm_folder);
        strbuf_add_char(buf, '\n');
}

static void add_copy(struct strbuf *buf, const struct restore_words *words)
{
        _cleanup_free_ char *xml = xasprintf("/root/%s.xml", words->copy_name);
        _cleanup_free_ char *quoted_xml = shell_quote(xml);
        _cleanup_free_ char *quoted_name = shell_quote(words->copy_name);
        strbuf_add(buf, "Beside the original, or elsewhere\n\n"
                        "After step 1, instead of steps 3 and 4: make the disks under other names "
                        "(in any folder),\n\n");
        add_copy_disks(buf, words);
        strbuf_addf(buf,
                    "copy the XML and edit the copy,\n\n  install -m 0600 %s %s\n\nso that:\n\n",
                    words->xml, quoted_xml);
        add_copy_edits(buf, words);
        strbuf_addf(buf,
                    "then define and start it:\n\n  virsh define %s\n  virsh start %s\n\n"
                    "Inside, the guest is the same machine: the same host name, the same fixed "
                    "addresses, the same timers and "
                    "jobs. If that may do harm,\ndisconnect its network (virsh domif-setlink) "
                    "before it boots. To make a raw disk, use\n-O raw in place of -O qcow2; the "
                    "driver type in the XML must agree.\n\n",
                    quoted_xml, quoted_name);
}

static void add_secrets(struct strbuf *buf)
{
        strbuf_add(buf,
                   "Mind\n\n"
                   "The XML may hold passwords (of consoles, of storage), and the disks hold all "
                   "data of the VM: keep copies as private as\nthis folder is, and remove them "
                   "when they are no longer needed. These steps do not change this folder; keep it "
                   "until you have\nverified that the VM works. Passed-through disks of the host "
                   "and ISO images are not part of a backup.\n");
}

char *restore_text_make(const struct metadata *metadata, const char *repository)
{
        _cleanup_free_ char *relative =
                xasprintf("%s/%s/%s", or_unknown(metadata->hypervisor), or_unknown(metadata->vm),
                          or_unknown(metadata->point));
        _cleanup_free_ char *folder = path_join(repository, relative);
        _cleanup_free_ char *xml = xasprintf("%s.xml", or_unknown(metadata->vm));
        _cleanup_(restore_words_done) struct restore_words words = {
                .metadata = metadata,
                .vm = str_one_line(or_unknown(metadata->vm), 200),
                .domain = shell_quote(or_unknown(domain_of(metadata))),
                .folder = shell_quote(folder),
                .xml = shell_quote(xml),
                .copy_name = xasprintf("%s-restored", or_unknown(metadata->vm)),
        };
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        restore_text_add_head(&buf, &words);
        add_verify(&buf, &words);
        add_look(&buf, &words);
        restore_text_add_disks(&buf, &words);
        add_firmware(&buf, &words);
        add_define(&buf, &words);
        restore_text_add_configs(&buf, metadata);
        add_copy(&buf, &words);
        add_secrets(&buf);
        return strbuf_take(&buf);
}
