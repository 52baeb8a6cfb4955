#!/bin/sh
# Runs the command that copies a disk, and makes the copy durable. Only root may read it.
#
# Runs on the hypervisor, as a unit.
# $1 the copy
# $2 … the command that makes it
# Prints what the command prints.
# Exit status: that of the command, else that of sync.
target=$1
shift
umask 077
"$@" && exec sync "$target"
