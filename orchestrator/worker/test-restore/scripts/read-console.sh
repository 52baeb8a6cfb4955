#!/bin/sh
# Reads a part of the domain's console output.
#
# Runs on the hypervisor.
# $1 the file that the console is written to
# $2 the first byte, counted from 1
# $3 how many bytes at most
# Prints them.
# Exit status: 0.
tail -c "+$2" "$1" 2>/dev/null | head -c "$3"
