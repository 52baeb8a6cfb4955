#!/bin/sh
# Runs the command that copies a disk, and writes the copy back meanwhile, so that its end need not
# wait for gigabytes in memory. It does so twice a second: each time the disk has to flush, and a
# shorter interval costs more than it saves. Only root may read the copy.
#
# Runs on the hypervisor, as a unit.
# $1 the copy
# $2 … the command that makes it
# Prints what the command prints.
# Exit status: that of the command; 1 when the copy cannot be written back, which ends the command.
target=$1
shift
umask 077
"$@" &
copy=$!
n=0
while
	sleep 0.1
	kill -0 $copy 2>/dev/null
do
	n=$((n + 1))
	[ $((n % 5)) = 0 ] || continue
	[ ! -e "$target" ] || sync -d "$target" && continue
	kill $copy 2>/dev/null
	wait $copy 2>/dev/null
	exit 1
done
wait $copy
