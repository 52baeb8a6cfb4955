"""The laboratory: real hypervisors, guests and a share on one machine, for the integration tests.

Enter at `lab.lab.Lab`; the shell enters at `labctl`. What holds everywhere:

- Whatever a lab makes is found again from three facts that are written down before anything is made
  (`registry`): its prefix, its run directory, its network number. `down` works from these alone, so it also
  cleans up a lab that is half built.
- Processes are ended by recorded pid and start time, or by being inside a namespace of the lab; never by name.
- Nothing is written outside the run directory, the cache directory and /run/orch-lab.
"""
