"""Libraries that tests preload into orch, for what cannot be reached from outside: its wall clock, and the moment at which a step begins."""

import contextlib
import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def library_of(source, folder):
    """The library made of one C file of this folder, in `folder`."""
    library = os.path.join(folder, source.removesuffix(".c") + ".so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(HERE, source)], check=True)
    return library


@contextlib.contextmanager
def preloaded(orch, source, **environment):
    """What orch starts meanwhile has the library made of this C file before all others, and this environment."""
    library = library_of(source, orch.dir)
    kept, options = dict(orch.extra_environment), orch.sanitizer_options
    before = kept.get("LD_PRELOAD")
    orch.extra_environment.update(environment, LD_PRELOAD=f"{library}:{before}" if before else library)
    # A sanitizer wants to be the first library; these replace nothing of its.
    orch.sanitizer_options = ":verify_asan_link_order=0"
    try:
        yield
    finally:
        orch.extra_environment, orch.sanitizer_options = kept, options


class ShiftedClock:
    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("=q", seconds))


@contextlib.contextmanager
def shifted_clock(orch):
    """What orch starts meanwhile sees a wall clock that can be set (clock-shim.c)."""
    clock = ShiftedClock(os.path.join(orch.dir, "clock"))
    with preloaded(orch, "clock-shim.c", ORCH_TEST_CLOCK=clock.path):
        yield clock


class StepGate:
    """A worker stops itself where the step begins that the gate was shut at; once. Open again when the worker stands."""

    def __init__(self, path):
        self.path = path

    def shut(self, step):
        with open(self.path + ".new", "w") as f:
            f.write(step)
        os.rename(self.path + ".new", self.path)

    def open(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


@contextlib.contextmanager
def step_gate(orch):
    """Workers that orch starts meanwhile can be stopped where a step begins (step-gate.c)."""
    gate = StepGate(os.path.join(orch.dir, "gate"))
    with preloaded(orch, "step-gate.c", ORCH_TEST_GATE=gate.path):
        yield gate
