#!/usr/bin/env bash
# smoke.sh - inside the nested test VM: the command line and the control socket with the sandbox on, a guest that
# is asked things, paused, saved, brought back and turned off.
. "$(dirname "$0")/../../lib/tap.sh"
export PATH=$build:$PATH LC_ALL=C.UTF-8
sock=$XDG_RUNTIME_DIR/vitrine/s/control

# qmp COMMAND PATTERN [ARGUMENTS]: the reply has PATTERN
qmp() {
	local c="{\"execute\": \"$1\"${3:+, \"arguments\": $3}}"
	printf '%s\n' '{"execute": "qmp_capabilities"}' "$c" | timeout 20 socat -t 10 - "UNIX-CONNECT:$sock" >"$tap_dir/qmp"
	grep -qF -- "$2" "$tap_dir/qmp" || { note "$(tail -c 400 "$tap_dir/qmp")"; return 1; }
}
# asks TEXT ANSWER: typed to the guest, and what it says to that
asks() { vitrine send -q -t 60 -x "$2" s "$1" 2>"$tap_dir/err" || { note "$(cat "$tap_dir/err")"; return 1; }; }

vitrine check >"$tap_dir/check"
check "vitrine check finds a usable KVM" test $? -le 1
check "run" vitrine run --detach --name s --memory 64M shell
check "the guest answers" asks "map" "KiB"
check "query-status: running" qmp query-status '"running"'
check "query-cpus-fast" qmp query-cpus-fast '"cpu-index":0'
check "pause" vitrine pause s
check "query-status: paused" qmp query-status '"paused"'
check "resume" vitrine resume s
check "a mark in its memory" asks "poke 0x2000000 0x5a" "] <- 0x5a"
check "snapshot" vitrine snapshot take s before
check "the mark overwritten" asks "poke 0x2000000 0xa5" "] <- 0xa5"
check "load" vitrine load s before
check "memory is as it was" qmp x-read-memory '"5a' '{"address": "0x2000000", "size": 1}'
check "and the guest goes on" asks "peek 0x2000000" "] = 0x5a"
check "stop" vitrine stop --force s
check "nothing of it is left" wait_for 20 test ! -e "$sock"
finish
