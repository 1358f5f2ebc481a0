#!/usr/bin/env bash
# Every verb of the command line against real VMs, the unhappy paths too.
. "$(dirname "$0")/../lib/tap.sh"
src=$(cd "$tests/.." && pwd)
export PATH=$build:$PATH TERM=xterm-256color LC_ALL=C.UTF-8
out=$tap_dir/out err=$tap_dir/err
unset NO_COLOR

# run STATUS NAME COMMAND... : the exit status is as said; keeps stdout and stderr
run() {
	local want=$1 name=$2 got; shift 2
	timeout 60 "$@" >"$out" 2>"$err" </dev/null
	got=$?
	if [ "$got" -eq "$want" ]; then ok "$name"; return 0; fi
	not_ok "$name"; note "status $got, not $want: $*"; note "$(head -c 600 "$out")"; note "$(head -c 600 "$err")"
	return 1
}
said() { # said NAME PATTERN : stdout or stderr of the last run has it
	if grep -qE -- "$2" "$out" "$err"; then ok "$1"; else not_ok "$1"; note "$(head -c 800 "$out" "$err")"; fi
}
json() { jq -e "$1" "$out" >/dev/null; } # what was printed last is JSON, and so
state() { vitrine ls --json | jq -r --arg n "$1" '.[] | select(.name == $n) | .state'; }
is() { [ "$(state "$1")" = "$2" ]; }

# ---- no VM at all ----
run 0 "ls without VMs" vitrine ls
run 0 "ls --json without VMs" vitrine ls --json
check "is an empty list" json '. == []'
for verb in pause resume stop reset registers map devices console "snapshot list" "send x" ; do
	case $verb in "send x") run 3 "send to no VM" vitrine send nobody x ;;
	*) run 3 "$verb of no VM" vitrine $verb nobody ;; esac
done
said "says how to find out" 'vitrine ls'
run 3 "log of no VM" vitrine log nobody
run 3 "start of no VM" vitrine start nobody
said "names the missing definition" 'vms/nobody\.cfg'
run 3 "load into no VM" vitrine load nobody x
run 3 "snapshot take of no VM" vitrine snapshot take nobody

# ---- wrong usage ----
run 2 "no such verb" vitrine strat
said "guesses the right one" 'did you mean start'
run 2 "pause without a VM" vitrine pause
run 2 "ls with an argument" vitrine ls x
run 2 "no such option" vitrine ls --bogus
run 2 "snapshot of no kind" vitrine snapshot make x
run 2 "a name that cannot be" vitrine run --detach --name ../x shell
run 2 "run without a kernel" vitrine run --detach
run 2 "demo without a terminal" vitrine demo
run 2 "a number that is none" vitrine registers --cpu x nobody
run 1 "a kernel that is not there" vitrine run --detach ./no-such-kernel
said "says which" 'no-such-kernel'
seq 5000 >"$tap_dir/text"
five_times() {
	local i
	for i in 1 2 3 4 5; do
		vitrine run --detach --name again "$tap_dir/text" >"$tap_dir/again" 2>&1
		grep -q 'no bzImage' "$tap_dir/again" || { note "$i: $(cat "$tap_dir/again")"; return 1; }
	done
}
check "a name is free again when its start has failed" five_times
run 1 "a guest that did not come with it" vitrine run --detach guest:nothing
run 1 "memory that is no size" vitrine run --detach --memory lots shell
said "names the option" 'memory'
for verb in $(vitrine --list-verbs | cut -f1); do
	run 0 "$verb --help" vitrine "$verb" --help
	said "$verb --help shows its usage" "^usage: vitrine $verb"
done
run 0 "--help" vitrine --help
run 0 "--version" vitrine --version

# ---- a VM's life ----
run 0 "run --detach" vitrine run --detach --memory 64M --append 'a "quoted" word' shell
said "prints the name" '^shell$'
run 0 "run again finds another name" vitrine run --detach --memory 64M shell
said "shell-2" '^shell-2$'
run 1 "run of a name that is taken" vitrine run --detach --name shell shell
said "says how to attach" 'vitrine console shell'
run 0 "ls" vitrine ls
said "shows it running" '^shell +running +[0-9]+ +1 +64M'
run 0 "ls --json" vitrine ls --json
check "is whole and has the command line" json '.[0].name == "shell" and .[0].memory == 67108864 and .[0].cmdline == "a \"quoted\" word"'
run 0 "ls --quiet" vitrine ls -q
check "names only" test "$(tr '\n' ' ' <"$out")" = "shell shell-2 "
run 0 "send waits for an answer" vitrine send --expect 'Control registers' shell help
run 0 "send speaks with the guest" vitrine send -x 'CR0' shell regs
run 5 "send gives up in time" vitrine send -x 'never said' -t 0.3 shell
run 0 "send with escapes" vitrine send -e -n -x 'Tab completes' shell 'hel\x70\r'
run 0 "console --history" vitrine console --history shell
said "has what was printed" 'look at a virtual machine from inside'
run 0 "registers" vitrine registers shell
said "shows rip" 'rip [0-9a-f]{16}'
run 0 "registers --json" vitrine registers --json shell
check "is JSON" json '.registers.rip | startswith("0x")'
run 1 "registers of a vCPU that is not there" vitrine registers --cpu 7 shell
said "says how many there are" 'there are 1'
run 0 "map" vitrine map shell
said "shows RAM" ' 64M ram '
run 0 "map --json" vitrine map --json shell
check "is a list" json 'length > 3 and .[0].kind == "ram"'
run 0 "devices" vitrine devices shell
said "shows the console" 'virtio-console0'
run 0 "devices --json" vitrine devices --json shell
check "is a list too" json 'map(.id) | index("virtio-console0") != null'
run 0 "balloon" vitrine balloon shell 48M
run 0 "balloon says what is so" vitrine balloon shell
said "what is to be kept" 'to be kept +48M'
said "and that the guest has no driver" 'no balloon driver'
run 0 "balloon --json" vitrine balloon --json shell
check "is JSON too" json '.wanted == 50331648 and .driver == false'
run 2 "balloon of no size" vitrine balloon shell much
run 2 "link of a card that has no name" vitrine link shell 'a"b' down
run 2 "link neither up nor down" vitrine link shell net0 sideways
said "says what to write" 'up or down'
run 1 "link of a card that is not there" vitrine link shell net0 down
said "says so" "'net0' not found"
run 0 "log" vitrine log shell
said "says what was booted" 'booting'

run 0 "pause of two" vitrine pause shell shell-2
check "both are paused" eval 'is shell paused && is shell-2 paused'
run 3 "pause of one that is and one that is not" vitrine pause nobody shell
run 0 "registers of a paused VM" vitrine registers shell
run 1 "start of a paused VM" vitrine start shell
said "says resume" 'vitrine resume shell'
run 0 "resume" vitrine resume shell shell-2
check "it runs" is shell running
run 0 "and answers" vitrine send -x 'CR0' shell regs
run 1 "start of a running VM" vitrine start shell

# ---- snapshots ----
run 0 "a mark in memory" vitrine send -x 'shell>' shell 'poke 0x3000000 0x11223344'
run 0 "snapshot take" vitrine snapshot take shell before
said "prints its name" '^before$'
run 0 "another mark" vitrine send -x 'shell>' shell 'poke 0x3000000 0x55667788'
run 0 "snapshot list" vitrine snapshot list shell
said "shows it as the current one" '^\* .* before '
run 0 "snapshot list --json" vitrine snapshot list --json shell
check "one, without a problem" json 'length == 1 and .[0].name == "before" and .[0].problem == ""'
run 0 "load" vitrine load shell before
run 0 "the VM goes on after it" vitrine send -x '44 33 22 11' shell 'dump 0x3000000 16'
run 1 "load of a snapshot that is not there" vitrine load shell nothing
said "names it" 'nothing'
run 0 "run --load from another's snapshot" vitrine run --detach --name twin --load shell/before
run 0 "its memory is the same" vitrine send -x '44 33 22 11' twin 'dump 0x3000000 16'
run 0 "snapshot take without a name" vitrine snapshot take --json shell
check "is JSON with a made name" json '.[0].name | test("^[0-9]{8}-[0-9]{6}$")'
run 0 "snapshot delete" vitrine snapshot delete shell before
run 1 "snapshot delete twice" vitrine snapshot delete shell before

# ---- its end ----
run 1 "stop without a power button or a terminal" vitrine stop shell-2
said "says what does it" '--force'
check "it still runs" is shell-2 running
run 0 "reset" vitrine reset shell-2
run 0 "it comes up again" vitrine send -t 20 -x 'CR0' shell-2 regs
run 0 "stop --force" vitrine stop --force shell-2 twin
check "they are gone at once" test "$(vitrine ls -q | tr '\n' ' ')" = "shell "
run 0 "the log stays" vitrine log shell-2
run 0 "the name is free again" vitrine run --detach --memory 64M shell
said "shell-2 again" '^shell-2$'
pid=$(vitrine ls --json | jq '.[] | select(.name == "shell-2") | .pid')
kill -9 "$pid"
killed() { ! vitrine ls -q | grep -qx shell-2; }
check "a VM killed with -9 is not listed" wait_for 5 killed
run 3 "nor spoken to" vitrine pause shell-2
run 0 "its name is free" vitrine run --detach --name shell-2 --memory 64M shell

# ---- definitions ----
mkdir -p "$XDG_CONFIG_HOME/vitrine/vms"
printf 'kernel = "guest:shell";\nmemory = "64M";\n' >"$XDG_CONFIG_HOME/vitrine/vms/mine.cfg"
printf 'kernel = "guest:shell";\nmemroy = "64M";\n' >"$XDG_CONFIG_HOME/vitrine/vms/typo.cfg"
run 0 "ls shows a definition" vitrine ls
said "as off" '^mine +off'
run 3 "pause of what is only defined" vitrine pause mine
said "says start" 'vitrine start mine'
run 0 "start by definition" vitrine start mine
run 0 "and speak with it" vitrine send -x 'CR0' mine regs
run 1 "start of a definition with a typo" vitrine start typo
said "file, line and the right word" 'typo\.cfg:2.*memory'
run 0 "stop ends it" vitrine stop -f mine

# ---- attached to a terminal ----
console_test() {
	local t="tmux -S $tap_dir/tmux -f /dev/null"
	$t new-session -d -x 90 -y 20 "env PATH=$PATH XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR XDG_STATE_HOME=$XDG_STATE_HOME XDG_CONFIG_HOME=$XDG_CONFIG_HOME bash --norc" || return
	screen() { $t capture-pane -p; }
	shows() { screen | grep -qE -- "$1"; }
	$t send-keys "PS1='host: '; clear; vitrine console shell" Enter
	check "console: the history comes" wait_for 10 shows 'look at a virtual machine|shell>'
	$t send-keys Enter "regs" Enter
	check "console: what is typed reaches the guest" wait_for 10 shows 'CR0'
	size() { vitrine send --expect x -t 0 shell >/dev/null 2>&1; printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"x-query-vm"}' |
		socat -t 1 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/shell/control" | jq -r 'select(.return.cols) | "\(.return.cols)x\(.return.rows)"'; }
	check "console: the guest knows the terminal's size" test "$(size)" = 90x20
	$t send-keys C-] '?'
	check "console: the prefix helps" wait_for 5 shows 'd or \. detaches'
	$t send-keys C-] d
	check "console: the prefix detaches" wait_for 5 shows 'shell: detached'
	$t send-keys "clear; stty -a | grep -o '[-]*icanon'; echo cooked" Enter
	check "console: the terminal is as before" wait_for 5 shows '^icanon'
	check "console: the VM goes on" is shell running
	$t send-keys "clear" Enter "vitrine console shell" Enter
	check "console: attaches again" wait_for 10 shows 'shell>'
	pid=$(pgrep -P "$($t list-panes -F '#{pane_pid}')" -f "^vitrine console shell")
	kill -TERM "$pid"
	check "console: says that a signal ended it" wait_for 5 shows 'by a signal'
	$t send-keys "clear; stty -a | grep -o '[-]*icanon'" Enter
	check "console: and the terminal is as before" wait_for 5 shows '^icanon'
	$t send-keys "clear; vitrine console shell-2" Enter
	check "console: of another VM" wait_for 10 shows 'shell>'
	vitrine stop --force shell-2
	check "console: the VM's end is told" wait_for 5 shows 'the VM has ended'
	$t send-keys "clear; vitrine stop shell" Enter
	check "stop asks on a terminal" wait_for 5 shows 'Turn it off\? \[y/N\]'
	$t send-keys n Enter
	check "n leaves it" wait_for 5 shows 'stop --force turns it off'
	check "it runs on" is shell running
	$t send-keys "clear; vitrine stop shell" Enter
	wait_for 5 shows 'Turn it off'
	$t send-keys y Enter
	off() { [ -z "$(state shell)" ]; }
	check "y turns it off" wait_for 5 off
	# run without --detach, and a guest that ends itself
	$t send-keys "clear; vitrine run --name brief --memory 64M --on-shutdown exit shell" Enter
	check "run attaches" wait_for 10 shows 'shell>'
	$t send-keys "exit off" Enter
	$t kill-server
}
if command -v tmux >/dev/null; then console_test; else skip "no tmux" "console on a terminal"; fi
vitrine stop --force brief >/dev/null 2>&1

# A pipe: what is typed goes in, what is printed comes out.
run 0 "another shell" vitrine run --detach --name piped --memory 64M shell
{ wait_for 10 grep -q 'shell>' "$tap_dir/piped"; echo regs; wait_for 10 grep -q CR0 "$tap_dir/piped"; vitrine stop -f piped; } |
	timeout 40 vitrine console piped >"$tap_dir/piped" 2>/dev/null
check "console through a pipe ends with the VM" test $? -eq 0
check "and has the answer" grep -q 'CR0' "$tap_dir/piped"

# ---- check ----
run 0 "check" vitrine check
said "is ready" '^ready$'
run 0 "check --json" vitrine check --json
check "says so in JSON" json '.ready and (.checks | map(.what) | index("/dev/kvm") != null)'
if [ "$(id -u)" -eq 0 ]; then
	# As a user who may not: programs and folders where that user can reach them.
	nobody=$(mktemp -d /tmp/vitrine-nobody.XXXXXX)
	cp "$build/vitrine" "$build/vitrine-vm" "$nobody/"
	mkdir -p "$nobody/guests"; cp "$build/guests/shell.elf" "$nobody/guests/"
	mkdir -m 700 "$nobody/run"; chmod 755 "$nobody"; chown -R 65534:65534 "$nobody"
	as_nobody=(env -i PATH="$PATH" TERM="$TERM" XDG_RUNTIME_DIR="$nobody/run" XDG_STATE_HOME="$nobody"
		XDG_CONFIG_HOME="$nobody/run" setpriv --reuid 65534 --regid 65534 --clear-groups)
	if "${as_nobody[@]}" test -w /dev/kvm; then
		skip "everybody may use /dev/kvm here" "check as a user without permission"
	else
		run 4 "check as a user without permission" "${as_nobody[@]}" "$nobody/vitrine" check
		said "gives the command that fixes it" 'fix: sudo (usermod|setfacl)'
		run 4 "run as a user without permission" "${as_nobody[@]}" "$nobody/vitrine" run --detach shell
		said "points to check" 'vitrine check'
		run 4 "demo as a user without permission" "${as_nobody[@]}" "$nobody/vitrine" demo --detach
	fi
	rm -rf "$nobody"
else
	skip "only root can become another user" "check as a user without permission"
fi

# ---- demo ----
if [ -f "$build/guests/clock.elf" ]; then
	run 0 "demo --detach" vitrine demo --detach
	check "three guests run" test "$(vitrine ls --json | jq '[.[] | select((.name | startswith("demo-")) and .state == "running")] | length')" = 3
	pids=$(vitrine ls --json | jq -c '[.[] | select(.name | startswith("demo-")) | .pid]')
	run 0 "a second demo" vitrine demo --detach
	check "finds the same VMs" test "$pids" = "$(vitrine ls --json | jq -c '[.[] | select(.name | startswith("demo-")) | .pid]')"
	run 0 "demo --stop" vitrine demo --stop
	check "ends them" test "$(vitrine ls -q | grep -c '^demo-')" = 0
fi

# ---- the table, the completion, the man page ----
for verb in $(vitrine --list-verbs | cut -f1); do
	grep -qE "(BOTH|VERB)\($verb," "$src/tui/commands.c" || { not_ok "$verb is in the command table"; }
done
ok "every verb is in the command table"
complete() { # complete WORDS... : the completions of the last
	bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vitrine; printf "%s\n" "${COMPREPLY[@]}"' \
		- "$src/docs/vitrine.bash" "$@"
}
check "completion knows every verb" test "$(complete vitrine '' | grep -vx help | sort | tr '\n' ' ')" = "$(vitrine --list-verbs | cut -f1 | sort | tr '\n' ' ')"
check "and the options of run" test "$(complete vitrine run --mem)" = --memory
vitrine run --detach --name for-completion --memory 64M shell >/dev/null
check "and the VMs" test "$(complete vitrine pause for-)" = for-completion
vitrine snapshot take for-completion state-one >/dev/null
check "and the snapshots" test "$(complete vitrine load for-completion st)" = state-one
vitrine stop -f for-completion
if command -v mandoc >/dev/null; then
	lint=$(mandoc -Tlint "$build/docs/vitrine.1" | grep -v 'referenced manual not found')
	check "vitrine(1) is clean mdoc" test -z "$lint"
	[ -z "$lint" ] || note "$lint"
else
	skip "no mandoc" "vitrine(1) is clean mdoc"
fi
for verb in $(vitrine --list-verbs | cut -f1); do
	grep -qE "^\.It Ic $verb( |$)" "$build/docs/vitrine.1" || not_ok "$verb is in vitrine(1)"
done
ok "every verb is in vitrine(1)"
finish
