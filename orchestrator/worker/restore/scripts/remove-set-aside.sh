#!/bin/sh
# Removes the files that set-aside.sh renamed. A user may have chosen to use such a file again: if
# any definition names one, including that of a running VM, none is removed.
#
# Runs on the hypervisor, as a unit.
# $1 $2 … pairs: a path, and what it was renamed to
# Prints nothing.
# Exit status: 0; 3 when a VM uses one of the files (stderr says which).
n=0
for f; do
	n=$((n + 1))
	# shellcheck disable=SC2015 # neither a path of the first kind nor a file that is gone is asked for
	[ $((n % 2)) = 0 ] && [ -e "$f" ] || continue
	user=$(grep -lsF -- "$f" /etc/libvirt/qemu/*.xml /run/libvirt/qemu/*.xml | head -n 1)
	[ -z "$user" ] || {
		echo "$f is used by a VM, says $user" >&2
		exit 3
	}
done
while [ $# -ge 2 ]; do
	rm -rf -- "$2"
	shift 2
done
