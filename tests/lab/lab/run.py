"""Running commands, and telling one process from another.

A pid alone is not an identity: it is reused. A process is recorded as pid + start time (field 22 of
/proc/PID/stat) and a signal is sent only while both still match.
"""

import json
import os
import signal
import subprocess
import time


class LabError(Exception):
    """Something the lab could not do; the message says what, on what and why."""


class CommandError(LabError):
    def __init__(self, argv, code, stdout, stderr):
        self.argv, self.code, self.stdout, self.stderr = argv, code, stdout, stderr
        said = (stderr or stdout or "").strip()
        super().__init__(f"{' '.join(argv)}: exit {code}: {said[-2000:]}")


def run(argv, check=True, input=None, timeout=120, **kw):
    """Run argv, captured as text; CommandError unless it exits 0 (check)."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, input=input,
                              **({} if input is not None else {"stdin": subprocess.DEVNULL}), **kw)
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{' '.join(argv)}: no end after {timeout} s") from e
    if check and done.returncode != 0:
        raise CommandError(argv, done.returncode, done.stdout, done.stderr)
    return done


def out(argv, **kw):
    return run(argv, **kw).stdout


def wait_for(what, probe, timeout, interval=0.05):
    """Call probe until it returns something true; LabError after timeout seconds. Between two calls it rests for as long as a call takes, up
    to half a second: a probe that starts programs would otherwise take the processor from what is waited for."""
    end = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        got = probe()
        if got:
            return got
        now = time.monotonic()
        if now >= end:
            raise LabError(f"{what}: not after {timeout} s")
        time.sleep(max(interval, min(now - asked, 0.5)))


def write_atomic(path, text, mode=0o644):
    tmp = f"{path}.tmp{os.getpid()}"
    with open(tmp, "w") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    os.rename(tmp, path)


def read_json(path):
    try:
        with open(path) as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def start_time(pid):
    """Start time of a process in clock ticks since boot, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def identity(pid):
    return {"pid": pid, "start": start_time(pid)}


def alive(who):
    return bool(who) and who["start"] is not None and start_time(who["pid"]) == who["start"]


def send(who, sig):
    if alive(who):
        try:
            os.kill(who["pid"], sig)
        except ProcessLookupError:
            pass


def end(who, patience=30.0):
    """SIGKILL, then wait until it is gone."""
    send(who, signal.SIGKILL)
    wait_for(f"end of process {who['pid']}", lambda: not alive(who), patience)


def namespace(pid, kind):
    """Inode that names a namespace of a process, or None."""
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
    except OSError:
        return None


def pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]
