/* What is read of a running domain. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "schema/libvirt/domain-live.h"

static enum agent_channel channel_in(const char *devices)
{
        _cleanup_free_ char *xml =
                xasprintf("<domain type='kvm'><devices>%s</devices></domain>", devices);
        enum agent_channel channel;
        cr_assert_eq(domain_live_agent_channel(xml, strlen(xml), &channel, NULL), 0);
        return channel;
}

#define OTHER_CHANNEL                                                    \
        "<channel type='unix'><target type='virtio' name='org.other.0' " \
        "state='connected'/></channel>"
#define AGENT(state)                                                                     \
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'" state \
        "/></channel>"

Test(domain_live, agent_channel)
{
        cr_assert_eq(channel_in(""), AGENT_CHANNEL_NONE);
        cr_assert_eq(channel_in(OTHER_CHANNEL), AGENT_CHANNEL_NONE);
        cr_assert_eq(channel_in(OTHER_CHANNEL AGENT(" state='connected'")),
                     AGENT_CHANNEL_CONNECTED);
        cr_assert_eq(channel_in(AGENT(" state='disconnected'") OTHER_CHANNEL),
                     AGENT_CHANNEL_DISCONNECTED);
        cr_assert_eq(channel_in(AGENT("")), AGENT_CHANNEL_CONNECTED);
        cr_assert_eq(channel_in("<channel type='pty'/>"), AGENT_CHANNEL_NONE);
}

static const char disks[] =
        "<domain><devices>"
        "<disk><target dev='vda'/><mirror type='file' job='active-commit' ready='yes'/></disk>"
        "<disk><target dev='vdb'/><mirror type='file' job='active-commit'/></disk>"
        "<disk><target dev='vdc'/><mirror type='file' job='active-commit' ready='abort'/></disk>"
        "<disk><target dev='vdd'/></disk></devices></domain>";

static bool is_ready(const char *target)
{
        bool ready;
        cr_assert_eq(domain_live_mirror_ready(disks, strlen(disks), target, &ready, NULL), 0);
        return ready;
}

Test(domain_live, mirror_ready)
{
        cr_assert(is_ready("vda"));
        cr_assert_not(is_ready("vdb"));
        cr_assert_not(is_ready("vdc"));
        cr_assert_not(is_ready("vdd"));
}

Test(domain_live, what_is_no_domain_is_corrupt)
{
        static const char *const texts[] = {
                "", "<domain", "<network/>",
                "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>"
        };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                enum agent_channel channel;
                bool ready;
                _cleanup_error_ struct error *one = NULL, *two = NULL;
                cr_expect_eq(domain_live_agent_channel(texts[i], strlen(texts[i]), &channel, &one),
                             -1);
                cr_expect(one && one->kind == ERROR_CORRUPT);
                cr_expect_eq(
                        domain_live_mirror_ready(texts[i], strlen(texts[i]), "vda", &ready, &two),
                        -1);
                cr_expect(two && two->kind == ERROR_CORRUPT);
        }
        bool ready;
        _cleanup_error_ struct error *no_disk = NULL;
        cr_assert_eq(domain_live_mirror_ready(disks, strlen(disks), "vdz", &ready, &no_disk), -1);
        cr_assert_eq(no_disk->kind, ERROR_CORRUPT);
}
