#!/bin/sh
# Creates a domain and holds it: the script becomes a virsh process, and when that ends libvirt
# destroys a domain that was created with --autodestroy. It also counts the domain's resets: the
# file `events` has a line for each.
#
# Runs on the hypervisor, in the folder of the test-restore, as a detached process that
# start-domain.sh starts.
# $1 the domain's name
# $2 seconds that the domain may live
# $3 the virsh command that creates it
# Prints nothing; the file `events` holds what virsh prints.
# Exit status: that of timeout(1).
echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" > hold.tmp
mv hold.tmp hold.pid
exec timeout "$2" virsh -q -c qemu:///system \
	"$3; event --domain $1 --event reboot --loop --timeout $2" > events 2>&1
