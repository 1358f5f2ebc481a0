#!/usr/bin/env bash
# views.sh BUILD - the views on a real VM, in a real terminal (tmux): what a person sees of vCPU, memory map, heatmap, hex and
# devices while pager runs, while it is paused, and after a write into its memory.
. "$(dirname "$0")/../lib/tap.sh"

if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
	skip "no /dev/kvm" "views of a running VM"; finish
fi
if ! command -v tmux >/dev/null || ! command -v socat >/dev/null; then
	skip "tmux or socat is missing" "views of a running VM"; finish
fi

unset TMUX
export TERM=xterm-256color LC_ALL=C.UTF-8
t() { tmux -S "$tap_dir/tmux" -f /dev/null "$@"; }
stop_all() { t kill-server 2>/dev/null; tap_cleanup; }
trap stop_all EXIT

screen() { t capture-pane -p; }
picture() { t capture-pane -pe | sed 's/look [0-9]* µs, [0-9.]*%//; $d'; } # in colour, but for the cost and what is said
shows() { screen | grep -qE -- "$1"; }
lacks() { ! shows "$1"; }
# see NAME PATTERN [SECONDS]: the screen comes to show it
see() {
	if wait_for "${3:-15}" shows "$2"; then ok "$1"; else not_ok "$1"; note "not seen: $2"; note "$(screen)"; fi
}
keys() { t send-keys "$@"; }
# answer LABEL TEXT: waits for the prompt, then types
answer() { wait_for 10 shows "$1"; keys -l "$2"; keys Enter; }
layout() {
	keys -l ":"; wait_for 10 shows '^ ?:'; keys -l "layout $1"; wait_for 10 shows "layout ${1//[()]/.}"; keys Enter
}
changes() { # changes SECONDS COMMAND...: what it prints becomes different
	local was now end=$((SECONDS + $1)); shift
	was=$("$@")
	while [ $SECONDS -lt $end ]; do
		now=$("$@"); [ "$now" != "$was" ] && return 0; sleep 0.05
	done
	return 1
}
same_for() { # same_for LOOKS COMMAND...: prints the same every time, ten looks a second
	local n=$1 was now i; shift
	was=$("$@")
	for ((i = 0; i < n; i++)); do
		sleep 0.1; now=$("$@"); [ "$now" = "$was" ] || { note "$(diff <(echo "$was") <(echo "$now") | head -6)"; return 1; }
	done
}
qmp() { printf '%s\n' '{"execute":"qmp_capabilities"}' "$1" | socat -t 2 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/pager/control"; }
qmp_says() { qmp "$1" | grep -qF -- "$2"; }

mkdir -p "$XDG_CONFIG_HOME/vitrine/vms"
cat >"$XDG_CONFIG_HOME/vitrine/vms/pager.cfg" <<EOF
kernel = "guest:pager";
memory = "64M";
vcpus = 1;
EOF
check "pager starts" "$build/vitrine" start pager
t new-session -d -x 200 -y 50 "$build/vitrine 2>$tap_dir/err"
see "the workstation shows it" 'pager · console'

# ---- heat ----
layout 'cols(heat)'
see "heat: the rate of writes" '[1-9][0-9.]* [KM]iB/s written' 30
see "heat: what a look costs" 'look [0-9]+ µs'
see "heat: live" '● live'
check "heat: the picture moves" changes 15 picture
keys +
see "heat: + zooms in" '1 cell = 4 KiB'
keys -
see "heat: - zooms out" '1 cell = 8 KiB'
keys +
keys 0
see "heat: 0 shows all" '1 cell = 8 KiB'
keys Down Right
see "heat: the cursor has an address" 'at 0x102000'
keys w
see "heat: w takes the whole width" '1 cell = 4 KiB'
keys w
see "heat: and back" '1 cell = 8 KiB'
keys f
see "heat: f follows" 'live, follows the heat'
see "heat: to what was just written" 'written (just now|0\.[0-9] s ago)' 30
keys f
keys c
logging() { qmp '{"execute":"x-query-vm"}' | tr -d ' ' | grep -q '"dirty-log":"\(manual\|bitmap\|ring\)"'; }
not_logging() { qmp '{"execute":"x-query-vm"}' | tr -d ' ' | grep -q '"dirty-log":"off"'; }
check "heat: dirty logging is on" wait_for 10 logging
keys Space
see "heat: Space freezes" 'frozen'
check "heat: frozen switches dirty logging off" wait_for 10 not_logging
keys Space
see "heat: and goes on" '[1-9][0-9.]* [KM]iB/s written' 30
keys p
see "heat: paused says so" 'paused: picture held'
see "heat: paused writes nothing" '^.* 0 B/s written'
# The sample that says paused may have been harvested before: what was written in between comes with the next.
holds() { same_for 20 picture || same_for 20 picture; }
check "heat: paused holds the picture" holds
keys p
see "heat: resumed is live again" '● live'
check "heat: resumed moves again" changes 15 picture
keys Enter
see "heat: Enter opens the hex view at the cursor" 'memory · physical'

# ---- memory map ----
layout 'cols(memmap)'
see "memmap: RAM and how much of it is resident" '00000000 +64 MiB ram.* [0-9]+%'
see "memmap: the console's window" 'e0000000 +4 KiB mmio virtio-console0 common'
see "memmap: in the title" '64 MiB, [0-9.]+ MiB resident'
check "memmap: no ports" lacks '8250 ttyS0'
keys a
see "memmap: a lists the ports" 'pio 8250 ttyS0'
keys h
see "memmap: h opens the heatmap" '1 cell = ' 15
layout 'cols(memmap)'
see "memmap: again" 'ram.* [0-9]+%'
keys Enter
see "memmap: Enter opens the hex view" '^.00000000 '

# ---- hex ----
layout 'cols(hex)'
# The first bytes of the first loaded segment, as the file has them.
elf=$build/guests/pager.elf
read -r off paddr < <(readelf -lW "$elf" | awk '$1 == "LOAD" { print $2, $4; exit }')
bytes=$(od -An -tx1 -v -j $((off)) -N 16 "$elf" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')
see "hex: open" 'memory · (physical|virtual)'
keys g; answer 'go to' "$paddr"
see "hex: bytes of the guest's image" "$(printf '%08x' $((paddr)))  ${bytes:0:23}  ${bytes:24:23}"
sym=$(nm "$elf" | awk '$2 == "T" && $3 ~ /^[a-z_]+$/ && length($3) > 6 { print $3; exit }')
keys g; answer 'go to' "$sym"
see "hex: going to a symbol" "· $sym"
see "hex: by its virtual address" 'memory · virtual, vCPU 0'
keys v
see "hex: v shows physical addresses" 'memory · physical'
keys g; answer 'go to' rsp
see "hex: going to a register" '-> [0-9a-f]+ ram'
keys c
see "hex: c goes on to the next vCPU" 'those of vCPU 0'
keys v
keys g; answer 'go to' 0
keys f; answer 'find' 'watch the heatmap'
see "hex: finding text" 'watch the heatmap is at 0x'
keys n
see "hex: finding the next" '(is at 0x|is not in the)'
keys g; answer 'go to' 3fff000
see "hex: the last page" '03fff000  '
keys e; answer 'write' '"vitrine!"'
see "hex: writing asks first" 'write 8 bytes at physical 0x3fff000'
keys y
see "hex: what was written is shown" '76 69 74 72 69 6e 65 21'
check "hex: and is in the guest's memory" qmp_says \
	'{"execute":"x-read-memory","arguments":{"address":"0x3fff000","size":8}}' 76697472696e6521
keys e; answer 'write' '00 f0 ff 03 00 00 00 00'
keys y
see "hex: a pointer" '03fff000  00 f0 ff 03 00 00 00 00'
keys g; answer 'go to' 3fff000
keys Enter
see "hex: following it" '0x3fff000 ram'
keys b
see "hex: and back" '03fff000  '

# ---- vCPU ----
layout 'cols(vcpu)'
see "vcpu: mode" 'long 64 +ring [03]'
see "vcpu: registers" 'rax [0-9a-f]{16}'
see "vcpu: control registers in words" 'cr0 .*PG .*PE'
see "vcpu: exits in all" 'exits .*/s +[0-9,]+ in all'
rip() { screen | grep -oE '^.rip [0-9a-f]{16}'; }
registers() { screen | grep -oE 'r[a-z0-9]{1,2} +[0-9a-f]{16}'; } # RIP alone stands still: the guest sleeps between pictures
check "vcpu: registers move" changes 15 registers
keys .
see "vcpu: stepping needs a pause" 'pause it first'
keys p
see "vcpu: paused" '‖ paused'
see "vcpu: a paused one takes no CPU" 'CPU +0% .* 0 exits/s'
check "vcpu: rip stands still" same_for 10 rip
was=$(rip)
keys .
if wait_for 10 eval '[ "$(rip)" != "$was" ]'; then ok "vcpu: a step moves it"; else not_ok "vcpu: a step moves it"; note "$(screen)"; fi
keys '>'; keys '<'
see "vcpu: one vCPU is the next as well" 'vCPU 0 · paused'
keys Enter
see "vcpu: Enter shows the code in hex" 'memory · physical'
layout 'cols(vcpu)'
keys p
see "vcpu: runs again" '(● running|○ halted)'

# ---- devices ----
layout 'cols(devices)'
see "devices: the console with its features" 'features +SIZE VERSION_1'
see "devices: driver-ok" 'driver-ok'
see "devices: kicks a second" 'transmitq0.* kicks/s'

# ---- all sizes ----
layout main
for size in 80x24 60x16 100x30 40x12 200x50 80x24; do
	t resize-window -x "${size%x*}" -y "${size#*x}"
done
see "all views at 80x24: vCPU" 'vCPU 0'
see "all views at 80x24: memory map" 'memory map'
see "all views at 80x24: heat" 'heat · '
keys 5 0 # all of memory
see "80x24: pager's picture is whole, 16 rows of it" 'heat · 128 KiB a cell'
see "80x24: help is on the bottom line, and the layout" '\? help .*main 1/5'
t resize-window -x 200 -y 50
see "200x50: as it was drawn, a cell each" 'heat · 64 KiB a cell'
see "and the views say whose they are" 'pager · vCPU 0'
check "the workstation said nothing on stderr" test ! -s "$tap_dir/err"
finish
