/* The security labels of a domain that must leave files alone. */
#include "schema/libvirt/domain-isolate.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static const char domain[] =
        "<domain "
        "type='kvm'><name>t</name><on_reboot>destroy</on_reboot><on_crash>preserve</"
        "on_crash><devices>"
        "<disk type='file' device='disk'><source file='/scratch/vda'><seclabel "
        "relabel='no'/></source>"
        "<backingStore type='file'><format type='qcow2'/><source file='/share/vda'><seclabel "
        "relabel='no'/></source><backingStore/>"
        "</backingStore><target dev='vda'/></disk>"
        "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>"
        "<watchdog model='itco' action='poweroff'/></devices>"
        "<seclabel type='dynamic' model='selinux' relabel='yes'/></domain>";

static char *isolate(const char *const models[])
{
        _cleanup_error_ struct error *err = NULL;
        char *xml = domain_isolate(domain, strlen(domain), models, &err);
        cr_assert(xml, "%s", error_message(err));
        return xml;
}

static size_t count(const char *text, const char *part)
{
        size_t n = 0;
        for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
                n++;
        return n;
}

Test(domain_isolate, leaves_owners_alone_on_a_host_with_dac)
{
        _cleanup_free_ char *xml = isolate((const char *const[]){ "dac", NULL });
        cr_assert(strstr(xml, "<seclabel type=\"static\" model=\"dac\" "
                              "relabel=\"no\"><label>+0:+0</label></seclabel>"),
                  "%s", xml);
        /* libvirt refuses a source's own word beside a domain that is not relabelled at all. */
        cr_assert_eq(count(xml, "<seclabel"), 1, "%s", xml);
}

Test(domain_isolate, names_each_other_model_on_marked_sources_alone)
{
        _cleanup_free_ char *xml = isolate((const char *const[]){ "selinux", "dac", NULL });
        cr_assert_eq(count(xml, "<seclabel model=\"selinux\" relabel=\"no\"/>"), 2, "%s", xml);
        cr_assert_eq(count(xml, "<seclabel"), 3, "the old label of the domain is gone: %s", xml);
        cr_assert(strstr(xml, "<source file=\"/iso\"/>"), "%s", xml);
}

Test(domain_isolate, says_nothing_of_models_that_the_host_has_not)
{
        _cleanup_free_ char *xml = isolate(NULL);
        cr_assert_eq(count(xml, "seclabel"), 0, "%s", xml);
}

Test(domain_isolate, ends_with_a_crash_and_goes_on_over_a_reset)
{
        _cleanup_free_ char *xml = isolate(NULL);
        cr_assert(strstr(xml, "<on_crash>destroy</on_crash>"));
        cr_assert(strstr(xml, "<on_reboot>restart</on_reboot>"));
        cr_assert(strstr(xml, "<on_poweroff>destroy</on_poweroff>"));
        cr_assert(strstr(xml, "action=\"none\""));
}

Test(domain_isolate, refuses_what_is_no_domain)
{
        _cleanup_error_ struct error *err = NULL;
        cr_assert_null(domain_isolate("<network/>", 10, NULL, &err));
        cr_assert_eq(err->kind, ERROR_CORRUPT);
}

Test(domain_memory, is_read_in_any_unit)
{
        static const struct {
                const char *memory;
                uint64_t bytes;
        } cases[] = {
                { "<memory unit='MiB'>144</memory>", UINT64_C(144) << 20 },
                { "<memory>1024</memory>", UINT64_C(1) << 20 },
                { "<memory unit='TiB'>99999999999999</memory>", 0 },
                { "<memory unit='bushel'>1</memory>", 0 },
                { "", 0 },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *text = xasprintf("<domain>%s</domain>", cases[i].memory);
                cr_expect_eq(domain_memory_bytes(text, strlen(text)), cases[i].bytes, "%s",
                             cases[i].memory);
        }
}

Test(capabilities, tell_the_security_models)
{
        static const char text[] = "<capabilities><host><cpu/><secmodel><model>none</model></"
                                   "secmodel><secmodel><model>dac</model>"
                                   "<doi>0</doi></secmodel><secmodel><model>selinux</model></"
                                   "secmodel></host></capabilities>";
        _cleanup_strv_ char **models = NULL;
        cr_assert_eq(capabilities_read_models(text, strlen(text), &models, NULL), 0);
        cr_assert_eq(strv_length(models), 2);
        cr_assert_str_eq(models[0], "dac");
        cr_assert_str_eq(models[1], "selinux");
        cr_assert_eq(capabilities_read_models("<host/>", 7, &models, NULL), -1);
}

Test(domain_isolate, what_is_borrowed_is_given_back)
{
        static char vda[] = "vda";
        char *const targets[] = { vda, NULL };
        _cleanup_free_ char *borrowed = domain_borrow(
                domain, strlen(domain), (const char *const[]){ "selinux", "dac", NULL }, NULL);
        cr_assert(strstr(borrowed, "<label>+0:+0</label>"), "%s", borrowed);
        cr_assert(strstr(borrowed, "<on_crash>preserve</on_crash>"), "%s", borrowed);
        cr_assert_eq(count(borrowed, "<seclabel model=\"selinux\" relabel=\"no\"/>"), 2, "%s",
                     borrowed);
        _cleanup_free_ char *settled = domain_settle(borrowed, strlen(borrowed), targets, NULL);
        cr_assert_eq(count(settled, "backingStore"), 0, "%s", settled);
        cr_assert_eq(count(settled, "+0:+0"), 0, "%s", settled);
        cr_assert_eq(count(settled, "<seclabel"), 1, "what its owner said of SELinux stays: %s",
                     settled);
        cr_assert(strstr(settled, "<source file=\"/scratch/vda\"/>"), "%s", settled);
}

Test(domain_isolate, a_disk_that_was_not_borrowed_keeps_what_it_stands_on)
{
        char *const none[] = { NULL };
        _cleanup_free_ char *settled = domain_settle(domain, strlen(domain), none, NULL);
        cr_assert(strstr(settled, "/share/vda"), "%s", settled);
        cr_assert_null(domain_settle("<network/>", 10, none, NULL));
        cr_assert_null(domain_borrow("<network/>", 10, NULL, NULL));
}
