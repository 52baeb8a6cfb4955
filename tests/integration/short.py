"""Which end-to-end tests `./dev test` runs. Every test is run by `./dev test --all`; what is not named here is run by that alone.

A key is a class, which means all of its tests, or a single test; a value, what it covers: promises (README.md), verbs (`orch --help`) and
real components (COMPONENTS). Lint (tests/lint/covered.py) holds that each promise, verb and component is covered, and that each key is there.
run.py holds that a verb that an entry claims was called by the tests of its class.

What is named first is started first: let that be what takes longest.
"""

COMPONENTS = {
    "light host": "libvirt, QEMU and sshd of this machine in namespaces",
    "full host": "a hypervisor with systemd",
    "guest agent": "qemu-guest-agent in a guest, which is frozen for real",
    "nfs": "an NFSv4.1 server, and a kernel that mounts it",
    "bacula": "a Bacula Director and bconsole",
    "slack": "an HTTPS server that checks messages as Slack does",
    "appliance": "an sshd with a network appliance's command line",
    "libguestfs": "the appliance that reads files out of images",
    "uefi": "a guest that UEFI boots from its disk, with a TPM",
    "bios": "a guest that BIOS boots from its disk",
}

SHORT = {
    "test_test_restore.Chain": ["P3", "verb:test-restore", "bios"],
    "test_nfs.Nfs.test_01_only_a_mount_is_a_repository": ["nfs", "verb:repository init", "verb:repository check"],
    "test_nfs.Nfs.test_05_a_backup": ["P3", "nfs", "verb:show"],
    "test_bacula.Bacula.test_3_the_cycle": ["bacula", "verb:bacula config"],
    "test_bacula.Bacula.test_4b_a_failure_is_told_once_with_or_without_the_daemon": ["P6", "bacula"],
    "test_recover.Killed.test_everything_killed_inside_the_freeze_and_the_network_cut": ["P1", "guest agent"],
    "test_recover.Killed.test_killed_during_the_copy_and_put_right_without_a_daemon": ["P2", "verb:recover"],
    "test_recover.Killed.test_worker_killed_between_the_commits_of_two_disks": ["P2"],
    "test_recover.Overlays.test_pivot_done_unseen_is_never_committed_blindly": ["P2"],
    "test_recover.Overlays.test_linked_clone_keeps_its_chain_and_its_golden_image": ["P2"],
    "test_restore.Firmware": ["P7", "verb:restore", "uefi"],
    "test_restore.BesideAndElsewhere.test_03_beside_the_original": ["P3", "verb:restore"],
    "test_restore.BesideAndElsewhere.test_12_without_a_daemon": ["P7", "verb:restore"],
    "test_restore_replace.Replace.test_1_replaced_kept_aside_and_forgotten": ["P2", "P4", "verb:restore"],
    "test_instant.OfAnIncrement": ["P3", "P4", "verb:restore"],
    "test_restore_by_hand.RestoreByHand": ["P7"],
    "test_main_job.MainJob": ["P1", "P3", "P5", "P7", "light host", "guest agent", "verb:run", "verb:list", "verb:log", "verb:catalog backup", "verb:daemon"],
    "test_full_host.FullHost": ["P1", "P3", "full host", "guest agent", "verb:backup vm"],
    "test_keeping.Keeping": ["P4", "verb:hold", "verb:release", "verb:prune", "verb:pause", "verb:resume", "verb:discover", "verb:hypervisor enroll"],
    "test_failures.Failures.test_1_one_cycle": ["P6", "P8", "P9", "verb:run"],
    "test_cli.Verbs.test_1_no_daemon": ["verb:version"],
    "test_cli.Verbs.test_2_broken_inventory": ["P8", "verb:config check"],
    "test_cli.Verbs.test_3_looking": ["verb:schedule", "verb:check", "verb:hypervisor list", "verb:hypervisor check"],
    "test_cli.Verbs.test_7_cancel": ["P2", "verb:cancel"],
    "test_chain.Chain.test_1_incremental": ["P3", "P4", "verb:backup vm"],
    "test_verify.Verify.test_1_whole_points": ["P3", "verb:verify"],
    "test_verify.Verify.test_2_damage_is_found_marked_and_unmarked": ["P3", "P4", "verb:verify", "verb:status"],
    "test_catalog.Catalog.test_1_a_lost_one_is_made_again_row_by_row": ["P7", "verb:catalog rebuild"],
    "test_daemon.Service.test_1_two_on_one_share": ["P5", "verb:repository unlock"],
    "test_daemon.Service.test_5_killed_and_started_again": ["P2"],
    "test_notify.Notify.test_a_failure_is_told_at_once_with_all_that_a_person_needs": ["P6", "slack"],
    "test_notify.Notify.test_one_cause_is_one_alert": ["P6", "slack"],
    "test_notify.Notify.test_the_verbs": ["slack", "verb:notify test", "verb:notify failure"],
    "test_appliances.Appliances.test_the_configuration_is_saved_beside_the_disks": ["appliance"],
    "test_appliances.Appliances.test_a_host_key_that_is_not_known": ["P8", "appliance"],
    "test_files.Files.test_a_backup_is_looked_into_without_being_touched": ["libguestfs", "verb:files ls", "verb:files get"],
    "test_secrets.Secrets": ["P8"],
    "test_power.Power.test_2_a_shutdown_around_the_copy": ["P2"],
    "test_transports.Light.test_a_stopped_libvirtd_is_a_timeout": ["P9", "light host"],
}


def is_short(test_id):
    """A test's id, or None: what covers it in the table."""
    return test_id in SHORT or test_id.rpartition(".")[0] in SHORT
