#!/bin/sh
# Defines `has_inode PATH NUMBER`: whether PATH is the file with that inode number. A file keeps its
# number when it is renamed, so the number identifies it under any name.
#
# Runs on the hypervisor, within other scripts.
has_inode() { [ "$(stat -c %i -- "$1" 2>/dev/null)" = "$2" ]; }
