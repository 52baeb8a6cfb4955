#!/bin/sh
# Runs when the watchdog timer fires: thaws the guest until it answers "thawed" or is gone. While
# the guest is in a saved image the script waits. The file $1.fired records that the timer fired,
# even after the other files are removed.
#
# Runs on the hypervisor, started by the timer that deadman-arm.sh made.
# $1 how the paths of its files begin: /run/orch/TAG.thaw
# $2 the domain's UUID
# $3 the identity of its QEMU
# $4 the file that records the freeze
# Prints nothing.
# Exit status: 0.
. ./same-guest.sh

export LC_ALL=C
umask 077
echo "$3 $2" > "$1.fired"
while same_guest "$2" "$3" || is_saved "$2" || same_guest "$2" "$3"; do
	timeout 15 virsh -c qemu:///system qemu-agent-command --timeout 5 "$2" \
		'{"execute":"guest-fsfreeze-thaw"}' >/dev/null 2>&1
	case $(timeout 15 virsh -c qemu:///system qemu-agent-command --timeout 3 "$2" \
		'{"execute":"guest-fsfreeze-status"}' 2>/dev/null) in
	*thawed*)
		rm -f "$4"
		break
		;;
	esac
	sleep 1
done
rm -f "$1.pid"
