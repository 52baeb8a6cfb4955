#!/bin/sh
# Sets the backing file of a finished scratch file. libvirt names the live disk there, and a reader
# of the scratch file would open that.
#
# Runs on the hypervisor.
# $1 the scratch file
# $2 the parent's image, or empty: the scratch file keeps what it has
# Prints the scratch file's size as "BLOCKS BLOCK-SIZE".
# Exit status: 0, or that of what failed.
set -e
[ -z "$2" ] || qemu-img rebase -u -b "$2" -F qcow2 "$1"
stat -c '%b %B' -- "$1"
