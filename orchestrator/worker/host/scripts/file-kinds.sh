#!/bin/sh
# Prints the kind of each path.
#
# Runs on the hypervisor.
# $1 … the paths
# Prints one letter for each, without a separator: d folder, b block device, f file, o something
# else, - nothing.
# Exit status: 0.
for p; do
	if [ -d "$p" ]; then
		printf d
	elif [ -b "$p" ]; then
		printf b
	elif [ -f "$p" ]; then
		printf f
	elif [ -e "$p" ] || [ -L "$p" ]; then
		printf o
	else
		printf %s -
	fi
done
