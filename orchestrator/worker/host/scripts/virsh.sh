#!/bin/sh
# Defines `v ARGUMENT…`: runs virsh on the host's own libvirt, for at most 90 s, with messages in
# English.
#
# Runs on the hypervisor, within other scripts.
v() { timeout 90 virsh -q -c qemu:///system "$@"; }
export LC_ALL=C
