#!/bin/sh
# Creates an empty qcow2 overlay, durably. Only root may read it.
#
# Runs on the hypervisor.
# $1 the qcow2 image that backs it
# $2 the overlay
# Prints nothing.
# Exit status: that of qemu-img or of sync.
umask 077
qemu-img create -q -f qcow2 -F qcow2 -b "$1" "$2" && exec sync "$2"
