#!/bin/sh
# Makes the folder of a test-restore, with the durable file `test` that records its owner, and in it
# a read-only view of the VM's points if the host allows such a mount.
#
# Runs on the hypervisor.
# $1 the folder
# $2 the VM
# $3 the job
# $4 the UUID of the domain that is to be started
# $5 the VM's points on the share
# Prints "read-only" when $1/point shows the points read-only.
# Exit status: 0, or that of what failed.
set -e
umask 077
export LC_ALL=C
mkdir "$1"
printf '%s\n%s\n%s\n' "$2" "$3" "$4" > "$1/test"
sync "$1/test" "$1"
mkdir "$1/point"
if mount --bind -- "$5" "$1/point" 2>/dev/null; then
	if mount -o remount,bind,ro "$1/point" 2>/dev/null && ! [ -w "$1/point" ]; then
		echo read-only
		exit 0
	fi
	umount "$1/point"
fi
rmdir "$1/point"
