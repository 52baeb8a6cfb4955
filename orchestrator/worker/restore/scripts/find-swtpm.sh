#!/bin/sh
# Finds swtpm, which emulates TPMs.
#
# Runs on the hypervisor.
# Prints its path, or "none".
# Exit status: 0.
command -v swtpm || echo none
