#!/bin/sh
# Removes the restored files under either name: the temporary ones, and those at their final places
# if they are the restored files.
#
# Runs on the hypervisor, as a unit.
# $1 $2 $3 … triples: the temporary file, its place, its inode number (0: it was not moved)
# Prints nothing.
# Exit status: 0.
. ./has-inode.sh

while [ $# -ge 3 ]; do
	rm -rf -- "$1"
	if [ "$3" != 0 ] && has_inode "$2" "$3"; then
		rm -rf -- "$2"
	fi
	shift 3
done
