/* The verbs of orch: name, one line, what it needs, its manual, its function. Everything else is in libraries that tests link. */
#include "cli/cli.h"
#include "cli/verbs/verbs.h"

static const struct verb verbs[] = {
        { "run", "back up what is due, by priority; waits", VERB_NEEDS_DAEMON, &manual_run, verb_run },
        { "backup vm", "back up single VMs now; waits", VERB_NEEDS_DAEMON, &manual_backup_vm, verb_backup_vm },
        { "status", "what runs, is queued, overdue, damaged", VERB_NEEDS_DAEMON, &manual_status, verb_status },
        { "log", "what a job did, live with -f", VERB_NEEDS_DAEMON, &manual_log, verb_log },
        { "list", "restore points", VERB_DAEMON_OR_STANDALONE, &manual_list, verb_list },
        { "show", "one restore point", VERB_NEEDS_DAEMON, &manual_show, verb_show },
        { "check", "the checks before a backup, alone", VERB_NEEDS_DAEMON, &manual_check, verb_check },
        { "verify", "read points back and mark what is damaged", VERB_DAEMON_OR_STANDALONE, &manual_verify, verb_verify },
        { "prune", "remove the points that no rule keeps", VERB_NEEDS_DAEMON, &manual_prune, verb_prune },
        { "discover", "domains that no list protects", VERB_NEEDS_DAEMON, &manual_discover, verb_discover },
        { "hold", "keep a point from being pruned", VERB_NEEDS_DAEMON, &manual_hold, verb_hold },
        { "release", "end a hold", VERB_NEEDS_DAEMON, &manual_release, verb_release },
        { "pause", "let no backup begin", VERB_NEEDS_DAEMON, &manual_pause, verb_pause },
        { "resume", "end a pause", VERB_NEEDS_DAEMON, &manual_resume, verb_resume },
        { "test-restore", "start a VM from a point and see it come up", VERB_NEEDS_DAEMON, &manual_test_restore,
          verb_test_restore },
        { "schedule", "the next cycle, VM by VM, and why", VERB_NEEDS_DAEMON, &manual_schedule, verb_schedule },
        { "cancel", "stop a job; it undoes what it did", VERB_NEEDS_DAEMON, &manual_cancel, verb_cancel },
        { "restore", "bring a VM back from a point", VERB_DAEMON_OR_STANDALONE, &manual_restore, verb_restore },
        { "recover", "find and undo what a crash left", VERB_DAEMON_OR_STANDALONE, &manual_recover, verb_recover },
        { "hypervisor list", "the hypervisors, and the last contact with each", VERB_NEEDS_DAEMON, &manual_hypervisor_list,
          verb_hypervisor_list },
        { "hypervisor check", "try the way to hypervisors", VERB_NEEDS_DAEMON, &manual_hypervisor_check, verb_hypervisor_check },
        { "notify test", "send a test message", VERB_NEEDS_DAEMON, &manual_notify_test, verb_notify_test },
        { "hypervisor enroll", "make a hypervisor's host key known", VERB_NEEDS_NO_DAEMON, &manual_hypervisor_enroll,
          verb_hypervisor_enroll },
        { "daemon", "run the daemon in the foreground", VERB_NEEDS_NO_DAEMON, &manual_daemon, verb_daemon },
        { "config check", "check orch.yaml and vm-list.yaml", VERB_NEEDS_NO_DAEMON, &manual_config_check, verb_config_check },
        { "repository init", "make the share an orch repository", VERB_NEEDS_NO_DAEMON, &manual_repository_init,
          verb_repository_init },
        { "repository check", "is the share mounted, marked, writable?", VERB_NEEDS_NO_DAEMON, &manual_repository_check,
          verb_repository_check },
        { "repository unlock", "break the lock of an orch that is dead", VERB_NEEDS_NO_DAEMON, &manual_repository_unlock,
          verb_repository_unlock },
        { "catalog rebuild", "make the catalog agree with the share", VERB_NEEDS_NO_DAEMON, &manual_catalog_rebuild,
          verb_catalog_rebuild },
        { "catalog backup", "copy the catalog to a file", VERB_NEEDS_NO_DAEMON, &manual_catalog_backup, verb_catalog_backup },
        { "files ls", "list files inside a restore point", VERB_NEEDS_NO_DAEMON, &manual_files_ls, verb_files_ls },
        { "files get", "copy files out of a restore point", VERB_NEEDS_NO_DAEMON, &manual_files_get, verb_files_get },
        { "bacula config", "the Director's resources that call orch", VERB_NEEDS_NO_DAEMON, &manual_bacula_config,
          verb_bacula_config },
        { "notify failure", "tell that a scheduler's job failed", VERB_NEEDS_NO_DAEMON, &manual_notify_failure,
          verb_notify_failure },
        { "version", "print the version", VERB_NEEDS_NO_DAEMON, &manual_version, verb_version },
        { "worker", "one job, for the daemon", VERB_HIDDEN, &manual_worker, verb_worker },
        { 0 },
};

int main(int argc, char *argv[])
{
        return cli_main(verbs, argc, argv);
}
