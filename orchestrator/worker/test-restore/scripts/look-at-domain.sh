#!/bin/sh
# Prints the state of the domain of a test-restore.
#
# Runs on the hypervisor.
# $1 the domain's name
# $2 the folder of the test-restore
# $3 the file that the console is written to
# Prints, one a line: "state STATE (REASON)" unless there is no such domain any more; "holder 1"
# while its holder runs; the lines of `virsh domstats`; "resets N"; "free BLOCKS BLOCK-SIZE" of
# the folder's file system; "console BYTES".
# Exit status: 0; 1 when libvirt does not answer.
export LC_ALL=C
v() { timeout 20 virsh -q -c qemu:///system "$@" 2>/dev/null; }

all=$(v list --all --name) || {
	echo 'libvirt does not answer' >&2
	exit 1
}
for n in $all; do
	[ "$n" = "$1" ] && printf 'state %s\n' "$(v domstate --reason "$1")"
done
read -r p s < "$2/hold.pid" && [ "$(cut -d' ' -f22 "/proc/$p/stat" 2>/dev/null)" = "$s" ] &&
	echo 'holder 1'
v domstats --vcpu --block "$1"
printf 'resets %s\n' "$(grep -c "^event 'reboot'" "$2/events" 2>/dev/null)"
printf 'free %s\n' "$(stat -f -c '%a %S' "$2")"
printf 'console %s\n' "$(stat -c %s "$3" 2>/dev/null || echo 0)"
