#!/usr/bin/env bash
# vmhost_cpu.sh - what the guest's CPU can: told, checked, kept in snapshots; and what a guest that panics causes.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"

failing() { # failing NAME STATUS TEXT OPTIONS...
	local name=$1 rc=$2 text=$3 got; shift 3
	"$vm" --name bad --kernel guest:shell "$@" --ready-fd 3 3>"$tap_dir/ready" 2>/dev/null; got=$?
	if [ $got -eq "$rc" ] && grep -qF -- "$text" "$tap_dir/ready"; then ok "$name"
	else not_ok "$name"; note "status $got, said: $(cat "$tap_dir/ready")"; fi
}
failing "a CPU nobody knows" 2 '--cpu: "haswell" is neither host nor baseline' --cpu haswell
failing "a feature nobody knows, with those near it" 2 'near it are sse2, sse4_2 and sse4a' --cpu host,-sse42
failing "a feature that no host of today has" 1 'has no 3dnow' --cpu host,+3dnow,+3dnowext
failing "what cannot be taken away" 2 'lm cannot be taken away' --cpu host,-lm

# something that any host has, for a snapshot to lack
check "a VM with less than the host's CPU" start less --kernel guest:shell --cpu host,-x2apic,-kvm_pv_eoi
con_open less; qmp_open less
check "x-query-vm tells of it" test "$(qmp x-query-vm | jq -r .return.cpu)" = host,-x2apic,-kvm_pv_eoi
check "the guest runs" wait_for 20 shows 'shell>'
check "a snapshot of it" test "$(job snapshot-save small)" = ok
qmp_close; con_close
check "a VM of that snapshot" start child --load less/small
qmp_open child
check "has the snapshot's CPU" test "$(qmp x-query-vm | jq -r .return.cpu)" = host,-x2apic,-kvm_pv_eoi
qmp quit >/dev/null; qmp_close
start more --kernel guest:shell; qmp_open more
check "a snapshot of the host's CPU" test "$(job snapshot-save large)" = ok
qmp quit >/dev/null; qmp_close
failing "a CPU that lacks what the snapshot's had, by name" 1 "2 features that this VM's lacks: x2apic kvm_pv_eoi" \
	--load more/large --cpu host,-x2apic,-kvm_pv_eoi
check "one that has more takes it" start again --load less/small --cpu host
qmp_open again; qmp quit >/dev/null; qmp_close
if start base --kernel guest:shell --cpu baseline; then
	con_open base; qmp_open base
	check "a guest on the baseline CPU" wait_for 20 shows 'shell>'
	qmp quit >/dev/null; qmp_close; con_close
else
	skip "$(tail -n 1 "$tap_dir/start.err")" "a guest on the baseline CPU"
fi

# ---- pvpanic. The guest's shell writes to its port.
qmp_open less; con_open less
check "no panic so far" test "$(qmp x-query-vm | jq .return.panicked)" = false
check "it panics" ask less "out 0x505 1" 'shell>'
check "GUEST_PANICKED, and it goes on" wait_for 10 event GUEST_PANICKED
check "action run" grep -q '"action":"run"' "$events"
check "query-status" status_is guest-panicked
check "x-query-vm says why" test "$(qmp x-query-vm | jq -r .return.reason)" = "the guest has panicked"
check "vitrine ls shows it" eval "\"\$build/vitrine\" ls | grep -q 'less .*the guest has panicked'"
qmp system_reset >/dev/null
check "a reset ends it" status_is running
check "and says nothing any more" test "$(qmp x-query-vm | jq -c '.return | [.reason, .panicked]')" = '["",false]'
qmp quit >/dev/null; qmp_close; con_close

: >"$events"
start stays --kernel guest:shell --on-panic pause
con_open stays; qmp_open stays
wait_for 20 shows 'shell>'
say stays $'out 0x505 1\r'
check "on_panic pause: GUEST_PANICKED" wait_for 10 event GUEST_PANICKED
check "action pause" grep -q '"action":"pause"' "$events"
check "and STOP" wait_for 10 event STOP
check "it is paused" status_is paused
check "its memory can be read" test "$(qmp x-read-memory '{"address": "0x0", "size": 1}' | jq -r '.return | has("data")')" = true
qmp cont >/dev/null
check "it can go on" ask stays "peek 0x2000000" '] = '
qmp quit >/dev/null; qmp_close; con_close
finish
