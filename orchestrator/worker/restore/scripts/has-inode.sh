#!/bin/sh
# Defines `has_inode PATH NUMBER`: whether what is there is the file with that inode number. By it a
# file is known wherever it was renamed to.
#
# Runs on the hypervisor, within other scripts.
has_inode() { [ "$(stat -c %i -- "$1" 2>/dev/null)" = "$2" ]; }
