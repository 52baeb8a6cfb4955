#!/bin/sh
# Sets aside the files that a restore replaces, by renaming them. It skips those that were renamed
# already, so it may run again after an interruption at any point.
#
# Runs on the hypervisor, as a unit.
# $1 $2 … pairs: a path, and what it is renamed to
# Prints nothing.
# Exit status: 0; 3 when a file is gone or cannot be renamed (stderr says which).
. ./rename-new.sh

while [ $# -ge 2 ]; do
	if [ -e "$1" ]; then
		rename_new "$1" "$2"
	elif [ ! -e "$2" ]; then
		echo "$1 is gone" >&2
		exit 3
	fi
	shift 2
done
