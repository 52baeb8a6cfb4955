"""The rules around a backup: agents that don't answer, freezes of somebody else, commands, retention, a namesake with another UUID."""

import json
import os
import time
import unittest
import uuid

import evidence
from harness import Disk, Lab, Orch, Vm, domain_xml, entry

HOST = "hypervisor-01"
WEEK = 7 * 24 * 3600


class Rules(unittest.TestCase):
    """One hypervisor; a guest with an agent, one without, and one that is off. Each case writes the inventory that it needs."""

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(Lab.create(f"rules-{os.getpid()}", hosts=1))
        cls.host = cls.lab.host(HOST)
        cls.talker, cls.silent = cls.lab.add_vms([(HOST, Vm("talker", [Disk(size_mib=32)])),
                                                  (HOST, Vm("silent", [Disk(size_mib=32)], agent=False))])
        cls.sleeper = cls.lab.add_vm(HOST, Vm("sleeper", [Disk(size_mib=32, filled_mib=2)]), start=False)
        cls.orch = cls.enterClassContext(Orch(cls.lab, os.environ["ORCH_BINARY"]))
        cls.orch.write_inventory([entry("talker", HOST)])
        cls.orch.repository_init()
        cls.orch.start_daemon()

    def setUp(self):
        self.paths = {vm.name: vm.disk_paths() for vm in (self.talker, self.silent)}
        self.files = evidence.files(self.host)

    def tearDown(self):
        """Whatever the case was about, the host is as before it."""
        for vm in (self.talker, self.silent):
            self.assertEqual(vm.disk_paths(), self.paths[vm.name])
        self.assertEqual(evidence.files(self.host), self.files)
        self.assertEqual(self.host.orch_traces(), [])
        self.assertFalse(self.talker.frozen())

    def backup(self, name, *options, status=0, **more):
        """One backup with these keys of its own (None: without it); (result, the new point's metadata or None)."""
        self.orch.write_inventory([{k: v for k, v in entry(name, HOST, **more).items() if v is not None}])
        before = self.orch.published()
        result = self.orch("backup", "vm", name, *options, check=status)
        new = [p for p in self.orch.published() if p not in before]
        self.assertEqual(len(new), 1 if status == 0 else 0, new)
        if not new:
            return result, None
        with open(os.path.join(new[0], "backup-metadata.json")) as f:
            return result, json.load(f)

    def verdict(self, metadata, name):
        return next(c["verdict"] for c in metadata["checks"] if c["name"] == name and c["phase"] == "before")

    def failures(self):
        folder = os.path.join(self.lab.share.path, "metadata/failed")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    # -- fallback ----------------------------------------------------------------------------------------------------

    def fell_back(self, result, metadata, why):
        self.assertEqual((metadata["method"], metadata["method_used"], metadata["consistency"], metadata["freeze_milliseconds"]),
                         ("quiesce", "snapshot", "crash", 0))
        self.assertEqual(self.verdict(metadata, "guest-agent"), "warn")
        self.assertRegex(" ".join(metadata["warnings"]), why)
        self.assertRegex(result.out + result.err, why)

    def test_no_agent_falls_back_to_a_snapshot(self):
        result, metadata = self.backup("silent")
        self.fell_back(result, metadata, "agent is not there.*falling back")

    def test_a_warning_is_a_failure_when_strict(self):
        self.orch.write_inventory([entry("silent", HOST)])
        self.orch("backup", "vm", "silent", "--strict", check=1)

    def test_a_mute_agent_falls_back_to_a_snapshot(self):
        self.talker.stop_agent()
        try:
            result, metadata = self.backup("talker")
        finally:
            self.talker.cont_agent()
        self.fell_back(result, metadata, "agent does not answer.*falling back")
        evidence.wait_for("the agent's return", self.talker.agent_answers, 60, 0.5)

    def test_an_agent_that_fails_falls_back_to_a_snapshot(self):
        agent = "qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run/qemu-ga -f /run/qemu-ga.pid -l /run/qemu-ga.log"
        for forbidden in ("guest-ping", "guest-fsfreeze-status"):
            with self.subTest(forbidden):
                self.talker.kill_agent()
                self.talker.control(f"sleep 1; {agent} -b {forbidden} </dev/null >/dev/null 2>&1 &")
                try:
                    evidence.wait_for("the other agent", lambda: "version" in self.host.virsh(
                        "qemu-agent-command", "talker", '{"execute":"guest-info"}', check=False), 60, 0.5)
                    result, metadata = self.backup("talker")
                finally:
                    self.talker.kill_agent()
                    self.talker.start_agent()
                self.fell_back(result, metadata, "agent does not answer.*falling back")

    def test_no_agent_fails_where_fallback_is_fail(self):
        failures = self.failures()
        result, _ = self.backup("silent", fallback="fail", status=1)
        self.assertRegex(result.out + result.err, "agent is not there of silent, and fallback is fail")
        self.assertEqual(len(self.failures()), len(failures) + 1)

    def test_a_guest_frozen_by_somebody_else_is_refused_and_left_frozen(self):
        self.host.virsh("domfsfreeze", "talker")
        try:
            result, _ = self.backup("talker", status=1)
            self.assertTrue(self.talker.frozen())
            self.assertEqual(self.talker.disk_paths(), self.paths["talker"])
        finally:
            self.host.virsh("domfsthaw", "talker")
        self.assertRegex(result.out + result.err, "frozen by somebody else.*virsh domfsthaw talker")

    # -- what stands in the way ---------------------------------------------------------------------------------------

    def refused(self, name, why, check, **more):
        share, copies = self.orch.published(), self.failures()
        result, _ = self.backup(name, status=1, **more)
        self.assertRegex(result.out + result.err, why)
        failure = next(f for f in self.failures() if f not in copies)
        with open(os.path.join(self.lab.share.path, "metadata/failed", failure, "backup-metadata.json")) as f:
            metadata = json.load(f)
        self.assertEqual((metadata["status"], metadata["point"]), ("failed", None))
        self.assertIn(check, [c["name"] for c in metadata["checks"] if c["verdict"] == "fail"])
        self.assertEqual(self.orch.published(), share)

    def test_a_paused_vm_is_refused_and_left_paused(self):
        self.host.virsh("suspend", "talker")
        try:
            self.refused("talker", "talker is paused: resume it .virsh resume talker", "vm-running")
            self.assertEqual(self.talker.state(), "paused")
        finally:
            self.host.virsh("resume", "talker")

    def test_a_block_job_of_somebody_else_is_left_alone(self):
        self.host.virsh("blockcopy", "talker", "vda", "/var/lib/libvirt/images/mirror.qcow2", "--transient-job")
        try:
            self.refused("talker", "block job of somebody else is under way on disk vda of talker", "no-other-job")
            self.assertIn("mirror.qcow2", self.talker.xml())
        finally:
            self.host.virsh("blockjob", "talker", "vda", "--abort")
            self.host.exec("rm", "/var/lib/libvirt/images/mirror.qcow2")

    def test_a_foreign_snapshot_is_refused_with_the_line_that_shows_it(self):
        self.host.virsh("snapshot-create-as", "sleeper", "before-upgrade")
        try:
            self.refused("sleeper", "before-upgrade.*virsh snapshot-list sleeper", "no-snapshots", when_off="backup")
            self.assertIn("before-upgrade", self.host.virsh("snapshot-list", "sleeper", "--name"))
        finally:
            self.host.virsh("snapshot-delete", "sleeper", "before-upgrade")

    def test_a_vm_that_is_off(self):
        self.refused("sleeper", "sleeper is shut off", "vm-running")
        self.orch.write_inventory([entry("sleeper", HOST, when_off="skip")])
        self.orch("backup", "vm", "sleeper", check=0)
        self.assertEqual(self.points_of("sleeper"), [])
        _, metadata = self.backup("sleeper", when_off="backup")
        self.assertEqual((metadata["consistency"], metadata["freeze_milliseconds"]), ("offline", 0))
        folder = os.path.join(self.lab.share.path, HOST, "sleeper", metadata["point"])
        evidence.check_point(self, folder)
        self.host.exec("qemu-img", "compare", self.sleeper.spec.disks[0].path, os.path.join(folder, "sleeper-vda.qcow2"))
        self.assertEqual(self.sleeper.state(), "shut off")

    def test_a_vm_that_is_off_with_a_raw_disk_that_ends_within_a_sector(self):
        odd = "/var/lib/libvirt/images/odd.raw"
        self.host.exec("truncate", "-s", "1000100", odd)
        self.host.virsh("attach-disk", "sleeper", odd, "vdz", "--config", "--subdriver", "raw")
        try:
            _, metadata = self.backup("sleeper", when_off="backup")
            self.assertEqual({d["target"]: d["virtual_bytes"] for d in metadata["disks"]}["vdz"], 1000448)
        finally:
            self.host.virsh("detach-disk", "sleeper", "vdz", "--config")
            self.host.exec("rm", odd)

    def test_the_checks_alone_touch_nothing(self):
        self.orch.write_inventory([entry("talker", HOST), entry("silent", HOST), entry("sleeper", HOST)])
        tree = self.share_tree()
        self.assertEqual(self.orch("check", "talker").status, 0)
        self.assertEqual(self.orch("check").status, 1)
        self.assertEqual(self.share_tree(), tree)

    def share_tree(self):
        found = [os.path.join(d, n) for d, folders, names in os.walk(self.lab.share.path) for n in [*folders, *names]]
        return sorted(f for f in found if "backup-catalog.db" not in f)

    # -- commands ----------------------------------------------------------------------------------------------------

    def told(self, *names):
        said = [self.host.shell(f"cat /tmp/told-{name}; rm /tmp/told-{name}") for name in names]
        return said if len(names) > 1 else said[0]

    def test_commands_run_in_order_with_their_environment_and_no_stdin(self):
        _, metadata = self.backup("talker", pre_backup_commands=[
            "echo pre-1 >> /tmp/told-order; env | grep ^ORCH_ | sort > /tmp/told-pre; wc -c > /tmp/told-stdin",
            "echo pre-2 >> /tmp/told-order; virsh domblklist talker | grep -c [.]orch- >> /tmp/told-order; true",
            {"on": "hypervisor", "command": ["sh", "-c", "echo \"$1\" >> /tmp/told-order", "sh", "pre-3 $(id); 'q'"]},
        ], post_backup_commands=[
            "echo post >> /tmp/told-order; virsh domblklist talker | grep -c [.]orch- >> /tmp/told-order",
            "env | grep ^ORCH_ | sort > /tmp/told-post",
        ])
        order, pre, post, stdin = self.told("order", "pre", "post", "stdin")
        self.assertEqual(order, "pre-1\npre-2\n0\npre-3 $(id); 'q'\npost\n0\n")
        self.assertEqual(stdin.strip(), "0")
        for phase, verdict, said in (("pre", "", pre), ("post", "ok", post)):
            self.assertEqual(said.splitlines(), [
                "ORCH_DOMAIN=talker", "ORCH_ERROR=", f"ORCH_HYPERVISOR={HOST}", f"ORCH_JOB={metadata['job']}", "ORCH_LEVEL=full",
                "ORCH_METHOD=quiesce", f"ORCH_PHASE={phase}", f"ORCH_POINT={metadata['point']}", f"ORCH_VERDICT={verdict}", "ORCH_VM=talker"])
        self.assertEqual(metadata["warnings"], [])

    def test_a_failing_pre_command_fails_the_job_before_anything_is_touched(self):
        result, _ = self.backup("talker", status=1, pre_backup_commands=["echo no disk today >&2; exit 3", "touch /tmp/told-second"],
                                post_backup_commands=["echo $ORCH_VERDICT > /tmp/told-verdict"])
        self.assertRegex(result.out + result.err, "pre-backup command .* status 3.*no disk today")
        self.assertEqual(self.told("verdict"), "failed\n")
        self.assertNotIn("/tmp/told-second", self.host.files())
        self.assertEqual(self.talker.disk_paths(), self.paths["talker"])

    def test_a_failing_post_command_warns(self):
        result, _ = self.backup("talker", post_backup_commands=["exit 4", "touch /tmp/told-next"])
        self.assertRegex(result.out + result.err, "post-backup command .* status 4")
        self.assertRegex(" ".join(self.orch.json("list", "talker")[0]["warnings"]), "post-backup command .* status 4")
        self.told("next")

    def test_a_pre_command_that_may_fail_warns(self):
        _, metadata = self.backup("talker", pre_backup_commands=[{"on": "hypervisor", "command": ["false"], "on_error": "warn"}])
        self.assertRegex(" ".join(metadata["warnings"]), "pre-backup command 'false' ended with status 1")

    def test_a_command_that_hangs_is_ended_and_leaves_no_process(self):
        command = ["sh", "-c", "trap '' TERM; sleep 4321 & sleep 4321; sleep 4321"]
        hanging = {"on": "hypervisor", "command": command, "timeout_seconds": 2}
        result, _ = self.backup("talker", status=1, pre_backup_commands=[hanging])
        self.assertLess(result.seconds, 50)
        self.assertRegex(result.out + result.err, "pre-backup command .*did not end within 2")
        self.assertEqual([line for line in self.host.processes().values() if "4321" in line], [])

    # -- retention ---------------------------------------------------------------------------------------------------

    def points_of(self, name):
        return sorted(os.path.basename(p) for p in self.orch.published() if os.path.basename(os.path.dirname(p)) == name)

    def listed_of(self, name):
        return sorted(p["point"] for p in self.orch.json("list", name))

    def age(self, name, weeks):
        """Makes the newest point of a VM older, as if it had been made then; the catalog is made to agree."""
        self.orch.stop_daemon()
        point = self.points_of(name)[-1]
        path = os.path.join(self.lab.share.path, HOST, name, point, "backup-metadata.json")
        with open(path) as f:
            metadata = json.load(f)
        for key in ("started", "finished", "snapshot_at"):
            when = time.strptime(metadata[key], "%Y-%m-%dT%H:%M:%SZ")
            metadata[key] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.mktime(when) - time.timezone - weeks * WEEK))
        with open(path, "w") as f:
            json.dump(metadata, f)
        self.orch("catalog", "rebuild", check=0)
        self.orch.start_daemon()
        return point

    def test_retention(self):
        rule = {"domain": "talker", "retention_weeks": 1, "min_points": 2}
        made = []
        for _ in range(2):
            _, metadata = self.backup("veteran", **rule)
            made.append(metadata["point"])
            self.assertEqual(self.age("veteran", 3), metadata["point"])
        self.assertEqual(self.points_of("veteran"), sorted(made))

        with self.subTest("min_points stay, however old"):
            _, third = self.backup("veteran", **rule)
            self.assertEqual(self.points_of("veteran"), sorted([made[1], third["point"]]))
            self.assertEqual(self.listed_of("veteran"), self.points_of("veteran"))

        with self.subTest("what is young stays beside them"):
            _, fourth = self.backup("veteran", **rule)
            self.assertEqual(self.points_of("veteran"), sorted([third["point"], fourth["point"]]))
            _, fifth = self.backup("veteran", **rule)
            self.assertEqual(self.points_of("veteran"), sorted([third["point"], fourth["point"], fifth["point"]]))

        with self.subTest("keep_last alone"):
            _, sixth = self.backup("veteran", domain="talker", retention_weeks=None, keep_last=1, min_points=1)
            self.assertEqual(self.points_of("veteran"), [sixth["point"]])
            self.assertEqual(self.listed_of("veteran"), [sixth["point"]])
            self.assertEqual(os.listdir(os.path.join(self.lab.share.path, HOST, "veteran")), [sixth["point"]])

        with self.subTest("a VM that is no longer listed keeps its points"):
            self.age("veteran", 30)
            self.backup("talker", keep_last=1, min_points=1, retention_weeks=1)
            self.assertEqual(len(self.points_of("talker")), len(self.listed_of("talker")))
            self.assertEqual(self.points_of("veteran"), [sixth["point"]])
            self.assertEqual(self.listed_of("veteran"), [sixth["point"]])

    # -- identity ----------------------------------------------------------------------------------------------------

    def redefine(self, identity):
        """The same name and disk, another UUID: a VM that was made anew."""
        self.silent.remove()
        self.silent.spec.uuid = identity
        self.host.exec("virsh", "-q", "define", "/dev/stdin", input=domain_xml(self.silent.spec))
        self.silent.start()

    def test_z_a_recreated_vm_is_refused_until_told(self):
        first, second = self.silent.spec.uuid, str(uuid.uuid4())
        _, metadata = self.backup("silent", method="snapshot")
        self.assertEqual(metadata["uuid"], first)
        self.redefine(second)
        result, _ = self.backup("silent", method="snapshot", status=1)
        for said in (first, second, "--accept-new-uuid"):
            self.assertIn(said, result.out + result.err)
        _, metadata = self.backup("silent", "--accept-new-uuid", method="snapshot")
        self.assertEqual(metadata["uuid"], second)
        _, metadata = self.backup("silent", method="snapshot")
        self.assertEqual(metadata["uuid"], second)


if __name__ == "__main__":
    unittest.main()
