#!/bin/sh
# Starts the transient domain of a test-restore and waits until it runs. It reads the domain's XML,
# which contains the guest's passwords, from stdin.
#
# Runs on the hypervisor.
# $1 the folder of the test-restore
# $2 the domain's name
# $3 seconds that the domain may live
# $4 "keep": the domain stays when its holder ends; else empty
# $5 hold-domain.sh
# Prints nothing.
# Exit status: 0 when it runs; 1 when it did not start (stderr says why, in one line).
. ../../host/scripts/virsh.sh

cd "$1" && umask 077 && cat > domain.xml || exit 1
c='create --autodestroy domain.xml'
[ "$4" ] && c='create domain.xml'
setsid sh -c "$5" orch-hold "$2" "$3" "$c" </dev/null >/dev/null 2>&1 &
n=0
while [ $n -lt 1200 ]; do
	n=$((n + 1))
	[ "$(v domstate "$2" 2>/dev/null)" = running ] && exit 0
	if [ -s hold.pid ] && read -r p s < hold.pid &&
		[ "$(cut -d' ' -f22 "/proc/$p/stat" 2>/dev/null)" != "$s" ]; then
		tr '\n' ' ' < events >&2
		exit 1
	fi
	sleep 0.1
done
echo 'it did not start' >&2
exit 1
