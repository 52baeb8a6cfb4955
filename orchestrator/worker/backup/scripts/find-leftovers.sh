#!/bin/sh
# Finds files of a job.
#
# Runs on the hypervisor.
# $1 the job's tag, which the names of its files contain
# $2 … the folders in which it may have files
# Prints the files' paths, one a line.
# Exit status: 0.
tag=$1
shift
for d; do
	for f in "$d"/*"$tag"*; do
		[ -e "$f" ] && printf '%s\n' "$f"
	done
done
exit 0
