#!/bin/sh
# The watchdog timer of a host without systemd: waits, then becomes the script that thaws or
# resumes. Its pid file holds the pid and the start time, which together identify a process for
# ever.
#
# Runs on the hypervisor, as a detached process that deadman-arm.sh starts.
# $1 seconds to wait
# $2 how the paths of its files begin: /run/orch/TAG.ACTION
# $3 the domain's UUID
# $4 the identity of its QEMU
# $5 the file that records the freeze or the pause
# $6 the script that it becomes
# Prints nothing.
# Exit status: 0 when it was ended by SIGTERM, else that of $6.
echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" > "$2.pid.tmp"
mv "$2.pid.tmp" "$2.pid"
trap 'kill $s 2>/dev/null' EXIT
trap 'exit 0' TERM
sleep "$1" &
s=$!
wait $s
trap - EXIT TERM
exec sh -c "$6" orch-thaw "$2" "$3" "$4" "$5"
