#!/usr/bin/env bash
# guests.sh - the four teaching guests on /dev/kvm, through vitrine-vm and its sockets, as a person uses them.
set -u
. "$(dirname "$0")/../lib/tap.sh"

vm=$build/vitrine-vm
for tool in socat jq; do
	command -v $tool >/dev/null || { skip "no $tool here" "the guests"; finish; }
done
[ -w /dev/kvm ] || { not_ok "a usable /dev/kvm"; note "see: vitrine check"; finish; }

# boot NAME GUEST [vitrine-vm options]: start and attach; what comes is in $tap_dir/NAME.out
declare -A in
boot() {
	local name=$1 guest=$2 fifo=$tap_dir/$1.in fd; shift 2
	"$vm" --name "$name" --kernel "$build/guests/$guest.elf" "$@" >"$tap_dir/$name.err" 2>&1 ||
		{ note "$(cat "$tap_dir/$name.err")"; return 1; }
	mkfifo "$fifo"
	socat - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/$name/console" <"$fifo" >"$tap_dir/$name.out" 2>/dev/null &
	exec {fd}>"$fifo"
	in[$name]=$fd
}

# A guest that does not even start has nothing to be asked.
boots() { local what=$1; shift; check "$what" boot "$@"; [ -n "${in[$1]-}" ] || finish; }

type_in() { printf "$2" >&"${in[$1]}"; }

qmp() { # qmp NAME COMMAND [ARGUMENTS]: the value of "return"
	local c="{\"execute\":\"$2\",\"arguments\":${3:-{\}}}"
	printf '%s\n' '{"execute":"qmp_capabilities"}' "$c" |
		timeout 5 socat -t 3 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/$1/control" |
		jq -c 'select(.return != null or .error != null) | .return // .error' | sed -n 2p
}

plain() { sed 's/\x1b\[[0-9;]*[GHf]/\n/g; s/\x1b\[[?0-9;]*[A-Za-z]//g; s/\r/\n/g' "$tap_dir/$1.out"; }
said() { plain "$1" | grep -aqE -- "$2"; }
says() { # says NAME REGEX: within 10 s
	wait_for 10 said "$1" "$2" || { note "no /$2/ in:"; note "$(plain "$1" | tail -n 12)"; return 1; }
}
count() { plain "$1" | grep -acE -- "$2"; }

# sh_says COMMAND REGEX: type a line to the shell and wait for an answer that was not there before
sh_answer() { tail -c +"$((sh_from + 1))" "$tap_dir/shell.out" | sed 's/\x1b\[[?0-9;]*[A-Za-z]//g; s/\r//g' | tr '\n' ' ' | grep -aqE -- "$1"; }
sh_says() {
	sh_from=$(stat -c %s "$tap_dir/shell.out")
	type_in shell "$1\r"
	wait_for 10 sh_answer "$2.*shell> " && return 0
	note "no /$2/ after $1:"
	note "$(tail -c +"$((sh_from + 1))" "$tap_dir/shell.out" | tr -d '\r' | tail -n 12)"
	return 1
}

# A whole screen of a full-screen guest: Ctrl-L has it drawn anew after a clear.
frame() { type_in "$1" '\f'; sleep 0.2; sed 's/\x1b\[2J/\x0c/g' "$tap_dir/$1.out" | tr '\n' ' ' | tr '\f' '\n' | tail -n 1 |
	sed 's/\x1b\[[0-9;]*H/\n/g; s/\x1b\[[?0-9;]*[A-Za-z]//g'; }
frame_has() { frame "$1" | grep -aqE -- "$2"; }
shows() {
	wait_for "${3:-10}" frame_has "$1" "$2" || { note "no /$2/ on:"; note "$(frame "$1")"; return 1; }
}

cpu_us() { qmp "$1" x-exits | jq '[.[]."cpu-time-us"] | add'; }

# ---- shell ----
boots "shell boots" shell shell --memory 32M
check "shell greets and prompts" says shell 'look at a virtual machine'
check "help lists a command of each kind" sh_says help 'peek.*fault.*crash'
check "an unknown command is told" sh_says frobnicate 'no command frobnicate'
check "poke and peek agree" sh_says 'poke 4m 0x1234abcd' '0x400000. <- 0x1234abcd'
check "peek reads it back" sh_says 'peek 4m' '= 0x1234abcd .*RAM'
check "the host sees it as well" test "$(qmp shell x-read-memory '{"address":"0x400000","size":4}' | jq -r .data)" = cdab3412
check "fill and dump" sh_says 'fill 8m 4096 0x5a' '4096 bytes at 0x800000'
check "dump shows it" sh_says 'dump 8m 16' '00800000 +5a 5a 5a.*ZZZZ'
check "peek of nothing is caught" sh_says 'peek 0x7f0000000000' 'page fault.*nothing is mapped'
check "peek of a hole is an MMIO exit" sh_says 'peek 0xd0000000' '0xffffffff.*MMIO exit'
check "the memory map" sh_says map 'RAM.*code, read-only.*1af4:1043 BAR'
check "a page walk" sh_says 'map 0x100000' 'PML4E.*PTE .*4 KiB page'
check "registers" sh_says regs 'CR0 .*PE.*PG.*EFER.*LMA'
check "cpuid" sh_says cpuid 'hypervisor +KVMKVMKVM'
check "pci" sh_says pci 'host bridge.*virtio-console'
check "ports" sh_says 'in 0x1234' '= 0xff, .*nobody answers'
check "timer" sh_says 'timer 5 4' 'late by [0-9]+ us'
check "speed" sh_says speed 'user mode +[0-9].*million'
check "interrupts" sh_says irq 'console input'
qmp shell x-console-resize '{"cols":100,"rows":30}' >/dev/null
check "a new size reaches the guest" sh_says irq 'console size'
# (#SS in ring 0 turns into #DF, for the stack is needed to deliver it.)
for f in de:DE db:DB bp:BP ud:UD gp:GP gp-priv:GP gp-sel:GP ss:SS ac:AC pf:PF pf-null:PF pf-ro:PF pf-nx:PF \
		pf-super:PF df:DF; do
	check "fault ${f%:*} is raised, told and survived" sh_says "fault ${f%:*}" "#${f#*:} .*recovery"
done
for f in de:DE ud:UD gp:GP gp-sel:GP ss:DF pf:PF pf-null:PF pf-ro:PF pf-nx:PF; do
	check "fault ${f%:*} in ring 0" sh_says "fault ${f%:*} kernel" "#${f#*:} .*in ring 0.*recovery"
done
for e in pio-in pio mmio-read mmio-write hlt cpuid; do
	check "exit $e comes back" sh_says "exit $e" 'result.*VMM sees'
done
check "exit hypercall comes back or is declined" sh_says 'exit hypercall' 'VMM sees|Not done|no such way'
before=$(cpu_us shell); sleep 2; idle=$(( $(cpu_us shell) - before ))
check "an idle shell costs under 1 % of a CPU ($idle us in 2 s)" test "$idle" -lt 20000
check "a register that does not exist" sh_says 'msr 0x12345678' '#GP.*does not let'
greetings=$(count shell 'look at a virtual machine')
type_in shell 'exit i8042\ry'
again() { [ "$(count shell 'look at a virtual machine')" -gt "$greetings" ]; }
check "exit i8042 resets the VM, and the shell greets again" wait_for 10 again
check "and works" sh_says 'peek 1m' 'RAM'
type_in shell 'exit triple\ry'
stopped() { [ "$(qmp shell query-status | jq -r .running)" = false ] || [ "$(count shell 'look at a virtual machine')" -gt $((greetings + 1)) ]; }
check "exit triple ends or restarts the VM" wait_for 10 stopped
qmp shell quit >/dev/null

boots "a VM for its exit code" code shell --memory 16M
says code 'shell> ' && type_in code 'exit debug 7\ry'
code_told() { [ "$(qmp code query-status | jq -r .status)" = shutdown ] && grep -aq '\b7\b' "$XDG_RUNTIME_DIR/vitrine/code/log"; }
check "exit debug 7 stops the VM, and the log has the 7" wait_for 10 code_told
qmp code quit >/dev/null

boots "a VM to crash" crash shell --memory 16M
says crash 'shell> ' && type_in crash 'crash\ry'
crashed() { said crash 'nothing crashed|does not have it' || [ "$(qmp crash query-status | jq -r .status)" = internal-error ]; }
check "crash: survived, or a stopped VM with a reason" wait_for 10 crashed
qmp crash quit >/dev/null

# ---- pager ----
boots "pager boots" pager pager --memory 64M
check "pager shows its keys and its size" shows pager '80x24'
check "it begins with the banner" shows pager 'mode +4 banner'
for m in 1:sweep 2:random 3:hot 5:ball 6:waves 4:banner; do
	type_in pager "${m%:*}"
	check "key ${m%:*}: ${m#*:}" shows pager "mode +${m%:*} ${m#*:}"
done
writes() { frame pager | grep -aqE "wrote +[1-9]"; }
check "it writes pages" wait_for 10 writes
dirty() { # two x-heat on one connection: the pages written in between
	{ printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"x-heat","arguments":{"start":"0x0","size":"0x4000000","cells":2048}}'
		sleep 1; printf '%s\n' '{"execute":"x-heat","arguments":{"start":"0x0","size":"0x4000000","cells":2048}}'; sleep 0.3; } |
		timeout 5 socat -t 1 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/pager/control" |
		jq -c 'select(.return.data?) | .return.data' | tail -n 1
}
lit() { dirty | cut -c 65- | tr -cd '1-9a-f' | wc -c; } # above 2 MiB, where the program itself lies
check "the heatmap has lit cells" test "$(lit)" -gt 30
type_in pager 'v'
check "memory holds what was written" shows pager 'verified: [1-9][0-9]* fine, [0-9]+ untouched, 0 bad'
total() { frame pager | sed -n "s/^ total *\([0-9']*\) writes.*/\1/p" | tr -d "'"; }
job_done() { qmp pager query-jobs | jq -e --arg id "$1" '.[] | select(.id == $id and .status == "concluded" and .error == null)' >/dev/null; }
qmp pager snapshot-save '{"job-id":"save","tag":"then"}' >/dev/null
check "a snapshot while it draws" wait_for 20 job_done save
then=$(total); sleep 2; later=$(total)
qmp pager snapshot-load '{"job-id":"load","tag":"then"}' >/dev/null
check "and its load" wait_for 20 job_done load
back=$(total)
check "the count went back ($then, $later, then $back) and on" test "$back" -lt "$later"
type_in pager 'v'
check "memory and count belong together again" shows pager 'verified: [1-9][0-9]* fine, [0-9]+ untouched, 0 bad'
type_in pager 'p'
check "p pauses" shows pager 'paused'
check "and the heat stops" test "$(lit)" -eq 0
type_in pager 'p]<'
check "] and < change the cells" shows pager 'cells +32 a row, [0-9]+ pages each'
qmp pager x-console-resize '{"cols":40,"rows":10}' >/dev/null
check "it fits 40x10" shows pager 'verify *$'
qmp pager x-console-resize '{"cols":40,"rows":8}' >/dev/null
check "40x8: the keys cover what does not fit" shows pager '1-6 mode  p pause  \+- speed *$'
qmp pager quit >/dev/null

# ---- clock ----
boots "clock boots" clock clock --memory 16M
check "clock shows the clocks" shows clock 'kvmclock +[0-9.]+ s'
ticks() { frame clock | sed -n 's/.* \([0-9]*\) ticks.*/\1/p'; }
t1=$(ticks); sleep 2; t2=$(ticks)
check "the PIT ticks 20 times a second ($t1, then $t2)" test $((t2 - t1)) -ge 20 -a $((t2 - t1)) -le 80
today=$(date -u +%Y-%m-%d)
check "the CMOS clock knows the day" shows clock "$today|$(date -u +%Y-%m-%d)"
qmp clock stop >/dev/null; sleep 4; qmp clock cont >/dev/null
check "a pause shows as a gap" shows clock 'gap of [3-5] s'
t1=$(ticks); sleep 1
check "and it ticks on" test "$(ticks)" -gt "$t1"
qmp clock quit >/dev/null

# ---- smp ----
boots "smp boots with 2 vCPUs" smp smp --memory 16M --vcpus 2
check "both work" shows smp 'vCPU1 .* [1-9][0-9]* primes' 20
check "IPIs go round" shows smp 'IPI lap +[1-9]'
check "with a lock no addition is lost" shows smp "^ lock +[1-9][0-9']+ adds, none lost"
check "without one the count is shown" shows smp "no lock +[1-9][0-9']+ adds, ([1-9]|none lost)"
type_in smp 'p'
check "p pauses" shows smp 'paused'
qmp smp quit >/dev/null
boots "smp boots with 1 vCPU" smp1 smp --memory 16M
check "and says how to give it two" shows smp1 'one vCPU.*' 20
check "and how" shows smp1 'vcpus = 2'
qmp smp1 quit >/dev/null
boots "smp boots with 4 vCPUs" smp4 smp --memory 16M --vcpus 4
check "all four work" shows smp4 'vCPU3 .* [1-9][0-9]* primes' 30
qmp smp4 quit >/dev/null

for fd in "${in[@]}"; do exec {fd}>&-; done # the socats end
finish
