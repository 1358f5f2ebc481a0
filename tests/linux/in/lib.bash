# lib.bash - for cases, inside the nested test VM: a Debian kernel as a guest called l, asked things, and taken away
# whatever happens. Source it; it sources tap.sh (ok, not_ok, note, wait_for, finish) and vmhost.sh ($run, qmp ...).
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/tap.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/vmhost.sh"
export PATH=$build:$PATH LC_ALL=C.UTF-8
# Each character on ttyS0 is two exits, and a kernel has 30 KiB to say: quiet, but for the case that is about booting.
guest=l # a case may give it another name
cmdline="console=ttyS0 console=hvc0 quiet panic=1 mitigations=off cryptomgr.notests"

# check NAME COMMAND...: as in tap.sh; a failure prints all there is to know about the guest
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name"; note "failed: $*"; explain; fi; }

# in/run.sh ends a case that is late
trap 'not_ok "within its limit"; explained=0; explain; finish' TERM

# up KERNEL VCPUS [OPTION...]: the guest l, as by `vitrine run OPTION...`, at its prompt. The first thing of a case:
#   up cloud/vmlinux 2 --disk "$tap_dir/image" || finish
up() {
	local t=$SECONDS kernel=$1 cpus=$2; shift 2
	vitrine run -d -n "$guest" -m 256M -c "$cpus" -i "/linux/${kernel%/*}/initrd" -a "$cmdline" "$@" "/linux/$kernel" \
		>"$tap_dir/said" 2>&1 || { not_ok "$kernel starts"; note "$(cat "$tap_dir/said")"; return 1; }
	if prompt; then ok "$kernel, $cpus vCPUs: a prompt on hvc0"; note "after $((SECONDS - t)) s"
	else not_ok "$kernel, $cpus vCPUs: a prompt on hvc0"; explain; return 1; fi
}
prompt() { asks "" "linux:hvc0#" hvc0 "${patience:-240}"; }
# asks TEXT ANSWER [STREAM [SECONDS]]: typed to the guest's shell, and what comes of it. The answer may not be part of
# the text, which is echoed: asks 'echo a$((1 + 1))' a2
asks() {
	vitrine send -q -t "${4:-90}" -s "${3:-hvc0}" -x "$2" "$guest" "$1" 2>"$tap_dir/err" && return 0
	note "$(cat "$tap_dir/err")"; return 1
}
state() { vitrine ls --json | jq -r --arg n "$guest" '.[] | select(.name == $n) | .state'; }
is() { [ "$(state)" = "$1" ]; }
# down: forces the guest off; true when its process has gone
down() { vitrine stop --force "$guest" >/dev/null 2>&1; wait_for 30 test ! -e "$run/$guest/control"; }

# The guest as it is: state, vCPUs, the last screen of both its consoles, the log of its process.
explained=0
explain() {
	explained=$((explained + 1)); [ "$explained" -le 2 ] || return 0
	note "the guest $guest is $(state); uptime here: $(cut -d' ' -f1,2 /proc/uptime)"
	note "$(timeout 10 vitrine registers "$guest" 2>&1 | head -n 8)"
	local stream
	for stream in console console1; do
		note "$stream, its end:"
		note "$(timeout 5 socat -u -T 1 "UNIX-CONNECT:$run/$guest/$stream" - 2>&1 | tail -c 2000 | tail -n 25 | tr -d '\r' | sed 's/^/  /')"
	done
	note "log of vitrine-vm:"; note "$(timeout 5 vitrine log "$guest" 2>&1 | tail -n 12 | sed 's/^/  /')"
	note "kernel of the nested test VM:"; note "$(dmesg | tail -n 5 | sed 's/^/  /')"
}
