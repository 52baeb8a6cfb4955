/* Calls on libvirt's own "test" driver; the jobs that it does not have are told here in its
 * place. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

TestSuite(libvirt_call, .timeout = 60);

enum { CALL_MS = 20000 };

/* of the one domain that the driver has */
static const char test_uuid[] = "6695eb01-f6a4-8304-79aa-97f2502e193f";
static bool backup_runs;
static bool backup_has_xml;
static bool backup_ends_by_itself; /* just as it is to be ended */
static int last_operation = VIR_DOMAIN_JOB_OPERATION_BACKUP;

static void *real(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *params, int *nparams,
                         unsigned int flags)
{
        int (*function)(virDomainPtr, int *, virTypedParameterPtr *, int *, unsigned int) = NULL;
        if (!backup_runs && !backup_has_xml) {
                *(void **)&function = real(__func__);
                return function(domain, type, params, nparams, flags);
        }
        int room = 0;
        *type = backup_runs                              ? VIR_DOMAIN_JOB_UNBOUNDED
                : flags & VIR_DOMAIN_JOB_STATS_COMPLETED ? VIR_DOMAIN_JOB_COMPLETED
                                                         : VIR_DOMAIN_JOB_NONE;
        *params = NULL;
        *nparams = 0;
        if (*type == VIR_DOMAIN_JOB_COMPLETED &&
            virTypedParamsAddBoolean(params, nparams, &room, VIR_DOMAIN_JOB_SUCCESS, 1) < 0)
                return -1;
        return virTypedParamsAddInt(params, nparams, &room, VIR_DOMAIN_JOB_OPERATION,
                                    last_operation);
}

char *virDomainBackupGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
        char *(*function)(virDomainPtr, unsigned int) = NULL;
        *(void **)&function = real(__func__);
        return backup_has_xml ? strdup("<domainbackup/>") : function(domain, flags);
}

/* Fails as libvirt does when there is nothing to be ended: "operation is not valid". */
int virDomainAbortJob(virDomainPtr domain)
{
        backup_runs = !backup_ends_by_itself;
        (void)virDomainDestroy(domain);
        return virDomainDestroy(domain);
}

static void connect_to_test_driver(struct libvirt_ssh *self)
{
        static char name[] = "hypervisor-01";
        cr_assert_eq(libvirt_ssh_init(NULL), 0);
        *self = (struct libvirt_ssh){ .hypervisor = { .name = name }, .call_timeout_ms = CALL_MS };
        self->libvirt = libvirt_connection_open("test:///default", NULL, CALL_MS, CALL_MS, NULL);
        cr_assert(self->libvirt);
}

static int undefine_and_look(virConnectPtr connection _unused_, virDomainPtr domain,
                             struct libvirt_request *request _unused_)
{
        int state, reason;
        cr_assert(virDomainDestroy(domain) == 0 && virDomainUndefine(domain) == 0);
        return virDomainGetState(domain, &state, &reason, 0);
}

/* It is moved away, or ends for good, just as it is asked. */
Test(libvirt_call, a_domain_that_goes_while_it_is_looked_at_is_missing)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(undefine_and_look, "looking", test_uuid);
        request->may_be_missing = true;
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(libvirt_connection_call(self.libvirt, request, &error), 0, "%s",
                     error_message(error));
        cr_expect(request->missing);
        libvirt_connection_free(self.libvirt);
}

static int hear_of_a_broken_connection(virConnectPtr connection _unused_,
                                       virDomainPtr domain _unused_,
                                       struct libvirt_request *request)
{
        return error_set(&request->error, ERROR_UNREACHABLE, "cannot connect to virtnetworkd");
}

static int do_nothing(virConnectPtr connection _unused_, virDomainPtr domain _unused_,
                      struct libvirt_request *request _unused_)
{
        return 0;
}

/* As when the daemon over there cannot reach another one, or an answer is longer than it can
 * send. */
Test(libvirt_call, what_a_living_connection_tells_of_a_broken_one_does_not_end_it)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(hear_of_a_broken_connection, "asking", NULL);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(libvirt_connection_call(self.libvirt, request, &error), -1);
        cr_expect_eq(error->kind, ERROR_INTERNAL);
        _cleanup_libvirt_request_ struct libvirt_request *next =
                libvirt_request_new(do_nothing, "asking", NULL);
        _cleanup_error_ struct error *lost = NULL;
        cr_expect_eq(libvirt_connection_call(self.libvirt, next, &lost), 0, "%s",
                     error_message(lost));
        libvirt_connection_free(self.libvirt);
}

/* Whose a job is that runs is read from its XML: one that cannot be had must not look like somebody
 * else's. */
Test(libvirt_call, a_backup_job_whose_xml_cannot_be_read_is_an_error)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        backup_runs = true;
        struct backup_job job = { 0 };
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(libvirt_ssh_backup_job(&self.hypervisor, test_uuid, &job, &text, &error), -1);
        cr_expect(strstr(error_message(error), "not supported"), "%s", error_message(error));
        libvirt_connection_free(self.libvirt);
}

/* libvirt keeps the last job alone: a dump that ended well after a backup that did not must not
 * tell for it. */
Test(libvirt_call, another_job_that_ended_well_is_no_backup_that_did)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        backup_has_xml = true;
        struct backup_job job = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(libvirt_ssh_backup_job(&self.hypervisor, test_uuid, &job, NULL, &error), 0,
                     "%s", error_message(error));
        cr_expect_eq(job.state, BACKUP_JOB_DONE);
        last_operation = VIR_DOMAIN_JOB_OPERATION_DUMP;
        cr_expect_eq(libvirt_ssh_backup_job(&self.hypervisor, test_uuid, &job, NULL, &error), 0,
                     "%s", error_message(error));
        cr_expect_eq(job.state, BACKUP_JOB_NONE);
        libvirt_connection_free(self.libvirt);
}

Test(libvirt_call, a_backup_job_that_ends_as_it_is_to_be_ended_is_no_error)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        backup_runs = backup_has_xml = backup_ends_by_itself = true;
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(libvirt_ssh_backup_abort(&self.hypervisor, test_uuid, &error), 0, "%s",
                     error_message(error));
        libvirt_connection_free(self.libvirt);
}

Test(libvirt_call, a_backup_job_that_cannot_be_ended_is_one)
{
        struct libvirt_ssh self;
        connect_to_test_driver(&self);
        backup_runs = backup_has_xml = true;
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(libvirt_ssh_backup_abort(&self.hypervisor, test_uuid, &error), -1);
        cr_expect(strstr(error_message(error), "ending the backup job"), "%s",
                  error_message(error));
        libvirt_connection_free(self.libvirt);
}
