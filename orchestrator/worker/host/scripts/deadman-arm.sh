#!/bin/sh
# Arms the watchdog timer of a guest that is about to be frozen or paused: a transient systemd
# timer, or a detached process if systemd does not run. The file that records a freeze is durable
# before the script ends, so that a recovery recognises the freeze as ours even after a reboot.
#
# Runs on the hypervisor.
# $1 the job's tag; names the unit and the files
# $2 the domain's UUID
# $3 seconds until the timer fires
# $4 the script that it then runs: deadman-thaw.sh or deadman-resume.sh
# $5 what that script does, in a word: "thaw" or "resume"
# $6 deadman-wait.sh
# Prints nothing.
# Exit status: 0 armed; 3 this host has no way to, or does not run the domain (stderr says why);
# another one when a file cannot be written or systemd-run refuses.
. ./qemu-id.sh

set -e
umask 077
mkdir -p /run/orch
f=/run/orch/$1.$5
i=$f.id
[ "$5" != thaw ] || {
	mkdir -p /var/lib/orch
	i=/var/lib/orch/$1.thaw.id
}
command -v virsh >/dev/null || {
	echo 'virsh is not installed there' >&2
	exit 3
}
id=$(qemu_id "$2")
[ -n "$id" ] || {
	echo 'the QEMU of that domain is not found among the processes' >&2
	exit 3
}
rm -f "$f.fired"
echo "$id $2" > "$i"
sync "$i" "${i%/*}"
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
	# systemd expands "$" in a unit's command line: "$$" stands for one.
	s=$(printf '%s' "$4" | sed 's/\$/$$/g')
	systemd-run --quiet --collect --unit="$1-$5" --on-active="$3s" \
		--timer-property=AccuracySec=100ms -- sh -c "$s" orch-thaw "$f" "$2" "$id" "$i"
else
	command -v setsid >/dev/null || {
		echo 'neither systemd-run nor setsid is there' >&2
		exit 3
	}
	setsid sh -c "$6" orch-wait "$3" "$f" "$2" "$id" "$i" "$4" </dev/null >/dev/null 2>&1 &
	n=0
	while [ ! -s "$f.pid" ]; do
		n=$((n + 1))
		[ $n -gt 500 ] && {
			echo 'its process did not start' >&2
			exit 3
		}
		sleep 0.01
	done
fi
