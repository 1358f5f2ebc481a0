#!/usr/bin/env bash
# boot.sh - inside the nested test VM: stock Debian kernels as guests, used as people use them.
. "$(dirname "$0")/../../lib/tap.sh"
. "$(dirname "$0")/../../lib/vmhost.sh"
export PATH=$build:$PATH LC_ALL=C.UTF-8
quiet="console=ttyS0 console=hvc0 panic=1 mitigations=off cryptomgr.notests"

# asks TEXT ANSWER [STREAM]: typed to the guest's shell, and what comes of it; an answer may not be part of the text
asks() {
	vitrine send -q -t "${4:-60}" -s "${3:-hvc0}" -x "$2" l "$1" 2>"$tap_dir/err" && return 0
	note "$(cat "$tap_dir/err")"; note "$(tail -n 3 "$run/l/log")"; return 1
}
# up KERNEL VCPUS: a guest called l, at its prompt
up() {
	local t=$SECONDS
	vitrine run -d -n l -m 256M -c "$2" -i "/linux/${1%/*}/initrd" -a "$quiet" "/linux/$1" >"$tap_dir/said" 2>&1 ||
		{ note "$(cat "$tap_dir/said")"; return 1; }
	prompt && note "$1, $2 vCPUs: at its prompt after $((SECONDS - t)) s"
}
prompt() { asks "" "linux:hvc0#" hvc0 150; }
state() { vitrine ls --json | jq -r '.[] | select(.name == "l") | .state'; }
is() { [ "$(state)" = "$1" ]; }
down() { vitrine stop --force l >/dev/null 2>&1; wait_for 30 test ! -e "$run/l/control"; }

for kernel in cloud/vmlinuz cloud/vmlinux; do
	if up "$kernel" 2; then ok "$kernel: a prompt on hvc0"
	else
		not_ok "$kernel: a prompt on hvc0"
		note "$(timeout 5 socat -u -T 1 "UNIX-CONNECT:$run/l/console1" - | tail -n 12)"
		down; continue
	fi
	check "$kernel: both vCPUs" asks 'echo cpus=$(nproc).' "cpus=2."
	check "$kernel: a shell on ttyS0" asks 'echo on $(tty).' "on /dev/ttyS0." ttyS0
	check "$kernel: no warning of ACPI" asks "dmesg -r | grep -E '^<[0-4]>.*ACPI'; echo warned=\$?." "warned=1."
	vitrine send l poweroff
	check "$kernel: poweroff turns it off" wait_for 60 is stopped
	down
done
finish
