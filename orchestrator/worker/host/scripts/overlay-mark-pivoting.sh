#!/bin/sh
# Makes the marker that records which QEMU is about to pivot away from an overlay. It is durable
# when the script ends.
#
# Runs on the hypervisor.
# $1 the overlay
# $2 the domain's UUID
# Prints nothing.
# Exit status: 0; another one when the domain has no QEMU or the marker cannot be made (stderr says
# why).
. ./qemu-id.sh

id=$(qemu_id "$2")
[ -n "$id" ] || {
	echo 'the QEMU of that domain is not found among the processes' >&2
	exit 1
}
ln -sfT "$id" "$1.pivoting" && sync "${1%/*}"
