#!/bin/sh
# Starts a transient network without forwarding and without an address of the host on it.
#
# Runs on the hypervisor.
# $1 the folder of the test-restore
# $2 the network's name
# Prints nothing.
# Exit status: 0; 1 when libvirt refuses (stderr says why, in one line).
. ../../host/scripts/virsh.sh

umask 077
printf '<network><name>%s</name></network>\n' "$2" > "$1/network.xml"
out=$(v net-create "$1/network.xml" 2>&1) || {
	printf '%s' "$out" | tr '\n' ' ' >&2
	exit 1
}
