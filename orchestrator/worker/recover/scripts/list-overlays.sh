#!/bin/sh
# Lists the overlays of orch and the markers beside them.
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
