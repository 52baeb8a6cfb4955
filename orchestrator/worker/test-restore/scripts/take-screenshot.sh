#!/bin/sh
# Takes a screenshot of the domain.
#
# Runs on the hypervisor.
# $1 the domain's name
# $2 the folder of the test-restore
# Prints the picture.
# Exit status: 0; another one when there is none (stderr says why).
export LC_ALL=C
timeout 30 virsh -q -c qemu:///system screenshot "$1" "$2/screen" >/dev/null && cat "$2/screen"
