#!/bin/sh
# Renames the files that set-aside.sh renamed back to their places. It may run again after an
# interruption at any point.
#
# Runs on the hypervisor, as a unit.
# $1 $2 … pairs: a path, and what it was renamed to
# Prints nothing.
# Exit status: 0; 3 when a file cannot be renamed (stderr says which).
. ./rename-new.sh

while [ $# -ge 2 ]; do
	if [ -e "$2" ]; then
		rename_new "$2" "$1"
	fi
	shift 2
done
