#!/bin/sh
# Renames the restored files to their places. It skips those that are in place already, so it may
# run again after an interruption at any point.
#
# Runs on the hypervisor, as a unit.
# $1 $2 $3 … triples: the temporary file, its place, its inode number
# Prints nothing.
# Exit status: 0; 3 when a file is gone or cannot be renamed (stderr says which).
. ./rename-new.sh
. ./has-inode.sh

while [ $# -ge 3 ]; do
	if has_inode "$2" "$3"; then
		:
	elif has_inode "$1" "$3"; then
		rename_new "$1" "$2"
	else
		echo "$1 is gone" >&2
		exit 3
	fi
	shift 3
done
