#!/bin/sh
# Lists files that are an overlay of orch or a marker beside one.
#
# Runs on the hypervisor.
# $1 … for each disk, how the paths of its overlays begin
# Prints the files' paths, one a line.
# Exit status: 0.
for p; do
	for f in "$p"orch-*; do
		{ [ -e "$f" ] || [ -L "$f" ]; } && printf '%s\n' "$f"
	done
done
exit 0
