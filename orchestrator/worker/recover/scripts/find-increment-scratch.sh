#!/bin/sh
# Finds, and can remove, the scratch files that interrupted increments of a domain left.
#
# Runs on the hypervisor.
# $1 the scratch folder
# $2 short UUID of the repository
# $3 the domain's UUID
# $4 "rm" to remove them, "ls" to leave them
# Prints their paths, one a line.
# Exit status: 0.
for f in "$1"/orch-"$2"-*-"$3"-*.increment; do
	[ -e "$f" ] || continue
	printf '%s\n' "$f"
	[ "$4" = ls ] || rm -f -- "$f"
done
exit 0
