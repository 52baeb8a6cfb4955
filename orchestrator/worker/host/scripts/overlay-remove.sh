#!/bin/sh
# Removes an overlay whose commit was witnessed, and its markers. It first makes the `committed`
# marker, which spares a recovery the question if the removal is interrupted. If there is no room
# for the marker, the removal continues without it.
#
# Runs on the hypervisor.
# $1 the overlay
# Prints nothing.
# Exit status: 0 when all of it is gone.
umask 077
touch "$1.committed" && sync "$1.committed" "${1%/*}"
rm -f "$1" && rm -f "$1.pivoting" "$1.committed"
