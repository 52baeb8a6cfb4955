#!/bin/sh
# Marks a test-restore as one that stays, which a recovery respects. The mark is durable when the
# script ends.
#
# Runs on the hypervisor.
# $1 the folder of the test-restore
# Prints nothing.
# Exit status: 0, or that of what failed.
umask 077
: > "$1/kept" && sync "$1/kept" "$1"
