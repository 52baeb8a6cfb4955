#!/bin/sh
# Writes the note that announces what a job is about to do to a VM. The note is durable when the
# script ends.
#
# Runs on the hypervisor.
# $1 the note's file
# $2 what is about to be done, in a word
# $3 the domain's UUID
# Prints nothing.
# Exit status: 0, or that of what failed.
. ../../host/scripts/qemu-id.sh

set -e
umask 077
printf '%s %s %s\n' "$2" "$3" "$(qemu_id "$3")" > "$1.new"
sync "$1.new"
mv "$1.new" "$1"
sync "${1%/*}"
