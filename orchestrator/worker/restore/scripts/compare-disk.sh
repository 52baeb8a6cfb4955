#!/bin/sh
# Runs the command that compares a copy with the point, while the last part of the copy is written
# back.
#
# Runs on the hypervisor, as a unit.
# $1 the copy
# $2 … the command that compares
# Prints what the command prints.
# Exit status: that of the command; 3 when the copy cannot be made durable.
target=$1
shift
sync "$target" &
sync=$!
"$@"
status=$?
wait $sync || exit 3
exit $status
