#!/usr/bin/env bash
# case-demo.sh - demo linux as people use it: the workstation open from the first moment, a shell in a pane, RIP named by
# the symbols that the kernel keeps of itself and of its modules, memory as the kernel sees it itself, and the ways to
# shut it down.
# limit: 480
. "$(dirname "$0")/lib.bash"
export XDG_CACHE_HOME=$tap_dir/cache
guest=demo-linux more="mitigations=off cryptomgr.notests"

T() { tmux -L use -f /dev/null "$@"; }
tap_end() { T kill-server 2>/dev/null; tap_cleanup; }
trap tap_end EXIT
screen() { T capture-pane -p -t w 2>/dev/null; }
shows() { screen | grep -qE -- "$1"; }
# see NAME SECONDS PATTERN: it comes to the screen
see() { if wait_for "$2" shows "$3"; then ok "$1"; else not_ok "$1"; note "not on the screen: $3"; note "$(screen)"; return 1; fi; }
# answer COMMAND: what it prints in the guest, on one line
answer() {
	vitrine send -t 120 -x '>>.' $guest "echo '<'\"<\$($1)>>\"''." | tr -d '\r' | sed -n 's/.*<<\(.*\)>>\..*/\1/p' | tail -n 1
}
# value COMMAND [ARGUMENTS]: what QMP returns
value() {
	printf '%s\n' '{"execute": "qmp_capabilities"}' "{\"execute\": \"$1\"${2:+, \"arguments\": $2}}" |
		timeout 20 socat -t 10 - "UNIX-CONNECT:$run/$guest/control" | jq -c 'select(has("return")) | .return' | tail -n 1
}
symbol() { vitrine registers $guest | grep -q '^at  *[a-zA-Z_]'; }
in_user() { vitrine registers $guest >"$tap_dir/regs"; grep -q '^cs  *0033' "$tap_dir/regs"; }
start() {
	vitrine demo linux --detach --vcpus 1 --append "$more" >"$tap_dir/said" 2>&1 || { note "$(cat "$tap_dir/said")"; return 1; }
	prompt
}

# ---- all views open while it boots: dirty logging, registers and all
T new-session -d -s w -x 200 -y 50 "vitrine demo linux --vcpus 1 --append '$more' 2>'$tap_dir/said'; echo left=\$?; read -r x"
wait_for 120 test -e "$run/$guest/control" # looking at the screen all the time would cost more than all views do
began=$SECONDS
if patience=300 prompt && see "demo linux boots this host's kernel to a prompt in a pane, watched from the start" 60 'linux:hvc0#'; then
	note "after $((SECONDS - began)) s"
else
	not_ok "demo linux gets to a prompt while it is watched"; note "$(cat "$tap_dir/said")"; explain; finish
fi
see "the kernel's function beside it" 60 '(rip .*|│)[a-z_0-9]{4,}\+0x'
see "the kernel's sections in the map" 60 'kernel text'
see "and what the heatmap looks cost" 60 'look [0-9]+ µs'
T kill-server

# ---- a kernel and the symbols it has of itself
check "it says what it made, and keeps it" grep -q "is kept for the next time" "$tap_dir/said"
check "RIP gets a name" wait_for 60 symbol
there=$(answer "grep ' [tT] schedule\$' /proc/kallsyms | cut -d' ' -f1")
check "a symbol is where the kernel itself says" \
	test "$(value x-symbol '{"name": "schedule"}' | jq -r .address)" = "0x${there#0x}"
check "and back" test "$(value x-symbol "{\"address\": \"0x$there\"}" | jq -r .symbol)" = schedule
there=$(answer "grep ' virtnet_poll\\s' /proc/kallsyms | cut -d' ' -f1")
check "so is one of a module" \
	test "$(value x-symbol '{"name": "virtnet_poll"}' | jq -r .address)" = "0x${there#0x}"
check "and back, with the module's name" \
	test "$(value x-symbol "{\"address\": \"0x$there\"}" | jq -r .symbol)" = "virtnet_poll [virtio_net]"
check "it knows as many modules as the kernel lists" \
	test "$(value x-kernel | jq .modules)" = "$(answer "grep -c . /proc/modules")"
code=$(answer "grep 'Kernel code' /proc/iomem | tr -d ' ' | cut -d- -f1")
value x-memory-map >"$tap_dir/map"
check "its text is in the memory map where it is in /proc/iomem" test -n "$code" -a "$((16#${code:-0}))" -eq \
	"$(($(jq -r '.[] | select(.name == "kernel text") | .start' "$tap_dir/map")))"
e820() { jq -r '.[] | select(.kind == "e820" and .name == "usable") | "\(.start) \(.size)"' "$tap_dir/map" |
	while read -r s n; do printf '[mem 0x%016x-0x%016x] usable ' $((s)) $((s + n - 1)); done; }
check "e820 in the map is e820 in dmesg" test "$(e820)" = \
	"$(answer "dmesg | grep 'BIOS-e820.*usable' | sed 's/.*e820: //' | tr '\n' ' '")"
vitrine send $guest 'i=0; while [ $i -lt 99999999 ]; do i=$((i+1)); done'
if wait_for 60 in_user; then check "user mode gets no name of the kernel's" sh -c "! grep -q '^at ' '$tap_dir/regs'"
else not_ok "user mode is seen"; fi
vitrine send -n -e $guest '\x03'

# ---- in the workstation
T kill-server 2>/dev/null
T new-session -d -s w -x 80 -y 24 "vitrine demo linux; echo left=\$?; read -r x"
see "80x24: its prompt in a pane" 60 'linux:hvc0#'

# ---- shutting down: the power button with a visible end of patience
T send-keys -t w S
see "S asks" 30 'shut down\?'
T send-keys -t w y
see "then the time it has is counted down" 30 'off in [0-9]+ s'
if wait_for 120 is stopped; then ok "the guest shuts down in good order"; else not_ok "the guest shuts down in good order"; note "$(screen)"; fi
T kill-server; down
check "and boots again" start
asks "killall -STOP acpid; echo deaf=\$?." "deaf=0."
timeout 120 vitrine stop --timeout 3 $guest 2>"$tap_dir/err"
check "one that does not listen is turned off when the time is over" test $? -eq 5
check "it says so" grep -q 'turned off' "$tap_dir/err"
check "and it is gone" wait_for 30 test ! -e "$run/$guest/control"
finish
