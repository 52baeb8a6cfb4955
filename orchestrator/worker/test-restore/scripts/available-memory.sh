#!/bin/sh
# Prints how much memory the host can provide without swapping.
#
# Runs on the hypervisor.
# Prints the bytes.
# Exit status: 0.
while read -r k n _; do
	[ "$k" = MemAvailable: ] && echo $((n * 1024))
done < /proc/meminfo
exit 0
