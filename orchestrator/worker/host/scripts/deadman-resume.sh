#!/bin/sh
# Runs when the watchdog timer fires: resumes a paused domain, until it runs or its QEMU is gone.
#
# Runs on the hypervisor, started by the timer that deadman-arm.sh made.
# $1 how the paths of its files begin: /run/orch/TAG.resume
# $2 the domain's UUID
# $3 the identity of its QEMU
# $4 the file that records the pause
# Prints nothing.
# Exit status: 0.
. ./qemu-id.sh

export LC_ALL=C
umask 077
echo "$3 $2" > "$1.fired"
while [ "$(qemu_id "$2")" = "$3" ]; do
	timeout 15 virsh -c qemu:///system resume "$2" >/dev/null 2>&1
	case $(timeout 15 virsh -c qemu:///system domstate "$2" 2>/dev/null) in
	running*) break ;;
	esac
	sleep 1
done
rm -f "$4" "$1.pid"
