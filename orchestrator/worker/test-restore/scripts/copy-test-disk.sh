#!/bin/sh
# Copies a disk of the point, with its chain flattened. Only root may read the copy, which need not
# be durable.
#
# Runs on the hypervisor, as a unit.
# $1 the qcow2 image in the point
# $2 the copy
# Prints qemu-img's progress.
# Exit status: that of qemu-img.
umask 077
exec qemu-img convert -p -W -m 16 -f qcow2 -O qcow2 "$1" "$2"
