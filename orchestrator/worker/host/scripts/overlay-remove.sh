#!/bin/sh
# Removes an overlay whose commit was witnessed, and its markers. The marker that is made first
# only spares a recovery the question, should the removal be cut short: where there is no room for
# it, the removal goes on.
#
# Runs on the hypervisor.
# $1 the overlay
# Prints nothing.
# Exit status: 0 when all of it is gone.
umask 077
touch "$1.committed" && sync "$1.committed" "${1%/*}"
rm -f "$1" && rm -f "$1.pivoting" "$1.committed"
