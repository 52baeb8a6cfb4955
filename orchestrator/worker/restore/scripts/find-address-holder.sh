#!/bin/sh
# Finds a VM that has one of these MAC addresses, in the definitions and in the state of the running
# VMs.
#
# Runs on the hypervisor.
# $1 … the MAC addresses
# Prints the path of the first such definition, or nothing.
# Exit status: 0.
for m; do
	set -- "$@" -e "$m"
	shift
done
grep -lisF "$@" -- /etc/libvirt/qemu/*.xml /run/libvirt/qemu/*.xml | head -n 1
