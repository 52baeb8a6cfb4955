#!/bin/sh
# Copies a file or a folder of the hypervisor to the share, durably. Only root may read the copy.
#
# Runs on the hypervisor.
# $1 the file or folder
# $2 the copy
# Prints nothing.
# Exit status: 0, or that of what failed.
umask 077
cp -R --sparse=always -- "$1" "$2" && find "$2" -type f -exec sync {} +
