#!/bin/sh
# Reads the state of an overlay, its markers, and the QEMU of its domain.
#
# Runs on the hypervisor.
# $1 the overlay
# $2 the domain's UUID
# Prints, one a line, those that hold: "exists", "committed" (its commit was witnessed), "pivoting"
# (a pivot may have been done), "same" (by the QEMU that runs the domain now).
# Exit status: 0.
. ./qemu-id.sh

[ -e "$1" ] && echo exists
[ -e "$1.committed" ] && echo committed
if [ -L "$1.pivoting" ] || [ -e "$1.pivoting" ]; then
	echo pivoting
	id=$(qemu_id "$2")
	[ -n "$id" ] && [ "$id" = "$(readlink "$1.pivoting")" ] && echo same
fi
exit 0
