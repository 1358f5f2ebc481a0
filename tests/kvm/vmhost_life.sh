#!/usr/bin/env bash
# vmhost_life.sh - vitrine-vm from its start to its end: being told, names, kills, what a guest does to itself.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"

# ---- starting
check "starts in the background" start one --kernel guest:shell
check "its folder is the user's alone" test "$(stat -c %a "$run/one")" = 700
check "its sockets are there" test -S "$run/one/control" -a -S "$run/one/console" -a -S "$run/one/console1"
con_open one; qmp_open one
check "the guest boots" wait_for 10 shows 'shell>'
check "status running" status_is running
one=$(pid_of one)
check "x-query-vm tells the process" test "$(qmp x-query-vm | jq .return.pid)" = "$one"

"$vm" --name two --kernel guest:shell --ready-fd 3 3>"$tap_dir/ready" >/dev/null 2>&1 &
two=$!
check "--ready-fd: ready" wait_for 10 grep -qx ready "$tap_dir/ready"
kill -TERM $two; wait $two
check "SIGTERM ends it with 0" test $? -eq 0
check "and removes its sockets" test ! -e "$run/two/control" -a ! -e "$run/two/console"
check "and keeps its log" grep -q 'ending: host-signal' "$run/two/log"

failing() { # failing NAME STATUS TEXT OPTIONS...
	local name=$1 rc=$2 text=$3 got; shift 3
	"$vm" "$@" --ready-fd 3 3>"$tap_dir/ready" 2>/dev/null; got=$?
	if [ $got -eq "$rc" ] && grep -qF -- "$text" "$tap_dir/ready"; then ok "$name"
	else not_ok "$name"; note "status $got, said: $(cat "$tap_dir/ready")"; fi
}
head -c 5000 /dev/urandom >"$tap_dir/noise"
head -c 3000 "$build/guests/shell.elf" >"$tap_dir/cut"
: >"$tap_dir/empty"
failing "a name twice"          1 "failed 17 a VM named one runs already (process $one)" --name one --kernel guest:shell
failing "no such kernel"        1 "failed 2 cannot open /nonexistent" --name x --kernel /nonexistent
failing "no such guest"         1 "there is no guest:nope; there are guest:" --name x --kernel guest:nope
failing "a kernel of noise"     1 "noise" --name x --kernel "$tap_dir/noise"
failing "a kernel cut short"    1 "cut" --name x --kernel "$tap_dir/cut"
failing "an empty kernel"       1 "is empty" --name x --kernel "$tap_dir/empty"
failing "a folder as kernel"    1 "not a plain file" --name x --kernel "$tap_dir"
failing "a bad option"          2 "--vcpus: 0 is out of range" --name x --kernel guest:shell --vcpus 0
failing "no such snapshot"      1 "the VM x has no snapshot nope" --name x --load nope
mkdir -p "$XDG_CONFIG_HOME/vitrine/vms"
printf 'kernel = "guest:shell";\nmemroy = "64M";\n' >"$XDG_CONFIG_HOME/vitrine/vms/cfg.cfg"
failing "a typo in a definition" 2 'cfg.cfg:2: unknown setting "memroy"; did you mean "memory"? valid: ' --name cfg
check "the VM of that name goes on" status_is running

printf 'kernel = "guest:shell";\nmemory = "64M";\nvcpus = 2;\nconsole = { cols = 120; rows = 40; };\n' \
	>"$XDG_CONFIG_HOME/vitrine/vms/cfg.cfg"
check "a definition is found by its name" start cfg
qmp_close; qmp_open cfg
check "and is what was asked for" test "$(qmp x-query-vm | jq -c '.return | [.memory, .vcpus, .cols, .rows]')" = '["0x4000000",2,120,40]'
qmp quit >/dev/null; qmp_close; qmp_open one

# ---- pausing
qmp stop >/dev/null
check "stop" status_is paused
say one $'peek 0x100000\r'
before=$(stat -c %s "$con"); qmp query-name >/dev/null
check "a paused guest says nothing" test "$(stat -c %s "$con")" = "$before"
qmp cont >/dev/null
check "what was typed meanwhile is not lost" wait_for 10 shows 'peek 0x100000'
check "STOP and RESUME came" eval 'event STOP && event RESUME'

# ---- resets and shutdowns
: >"$con"
qmp system_reset >/dev/null
check "system_reset boots again" wait_for 10 shows 'look at a virtual machine'
check "RESET came" event RESET
qmp x-console-resize '{"cols": 100, "rows": 30}' >/dev/null
: >"$con"; qmp system_reset >/dev/null
check "the guest sees the console's new size" wait_for 10 shows '100x30'
wait_for 10 shows 'shell>'; : >"$con"
say one $'exit reset\r'
if wait_for 3 shows 'Go on?'; then say one y; fi
check "a guest resets itself" wait_for 10 shows 'look at a virtual machine'
wait_for 10 shows 'shell>'; : >"$con"

say one $'exit debug 7\r'
if wait_for 2 shows 'Go on?'; then say one y; fi
check "a guest shuts itself down" wait_for 10 status_is shutdown
check "with its code" test "$(grep -a '"event":"SHUTDOWN"' "$events" | tail -1 | jq -c '.data."x-code"')" = 7
check "x-query-vm says why" eval "qmp x-query-vm | jq -r .return.reason | grep -q 'code 7'"
check "its console can still be read" eval "history_of one | grep -qaF 'exit debug 7'"
: >"$con"; qmp cont >/dev/null
check "cont starts it anew" wait_for 10 shows 'look at a virtual machine'
wait_for 10 shows 'shell>'; : >"$con"
say one $'exit triple\r'
if wait_for 2 shows 'Go on?'; then say one y; fi
check "a triple fault is a shutdown" wait_for 10 status_is shutdown
: >"$con"; qmp system_reset >/dev/null
check "system_reset starts it anew" wait_for 10 shows 'look at a virtual machine'
wait_for 10 shows 'shell>'; : >"$con"

# ---- a guest that KVM cannot go on with
say one $'crash\r'; wait_for 5 shows 'Go on?' && say one y
if wait_for 5 status_is internal-error; then
	ok "an instruction KVM cannot emulate: internal-error"
	check "X_CRASHED came" event X_CRASHED
	check "it says where" eval "qmp x-query-vm | jq -r .return.reason | grep -q rip"
	check "registers can be read" eval "qmp x-registers | jq -e .return.registers.rip >/dev/null"
	check "cont is refused" eval "qmp cont | jq -r .error.desc | grep -q 'system_reset starts it anew'"
	check "stop does no harm" test "$(qmp stop | jq -c .return)" = '{}'
	: >"$con"; qmp system_reset >/dev/null
	check "system_reset starts it anew" wait_for 10 shows 'look at a virtual machine'
else
	skip "this KVM runs the instruction" "a guest that KVM cannot go on with"
fi
say_exit=$(qmp quit); qmp_close; con_close
check "quit ends the process" wait_for 5 gone "$one"
check "and removes its sockets" wait_for 5 test ! -e "$run/one/control"

# ---- few descriptors
check "12 descriptors are too few, and it says so" eval '(ulimit -n 12; ! "$vm" --name few --kernel guest:shell 2>&1) | grep -q "ulimit -n"'
(ulimit -n 40; start few --kernel guest:shell); few=$(pid_of few); qmp_open few
hogs=()
for ((i = 0; i < 16; i++)); do socat -u "UNIX-CONNECT:$run/few/control" - >/dev/null & hogs+=($!); done
check "without a descriptor for a client, the log says so" wait_for 10 grep -q 'a client has to wait: Too many open files' "$run/few/log"
ticks() { cut -d' ' -f14,15 /proc/"$few"/stat | tr ' ' +; }
before=$(($(ticks))); sleep 2
check "and nothing spins" test $(($(ticks) - before)) -lt 40 # of 200
check "a save says what is missing" test "$(job snapshot-save no)" = "snapshot: state: Too many open files"
check "and the VM goes on" status_is running
kill "${hogs[@]}"; wait "${hogs[@]}" 2>/dev/null
check "with room again, clients come in" eval 'echo | timeout 10 socat -t 2 - "UNIX-CONNECT:$run/few/control" | grep -q QMP'
check "and a save works" test "$(job snapshot-save yes)" = ok
qmp quit >/dev/null; qmp_close

# ---- on-shutdown exit
"$vm" --name exiting --kernel guest:shell --on-shutdown exit --foreground >/dev/null 2>&1 &
exiting=$!
wait_for 10 test -S "$run/exiting/control" && con_open exiting && wait_for 10 shows 'shell>'
say exiting $'exit debug 42\r'
if wait_for 2 shows 'Go on?'; then say exiting y; fi
wait $exiting
check "--on-shutdown exit: the guest's code is the process's" test $? -eq 42
con_close

# ---- kill -9
start killed --kernel guest:shell
killed=$(pid_of killed); broker=$(pgrep -P "$killed")
kill -9 "$killed"; wait_for 10 gone "$killed" # the kernel takes a moment to take a VM apart
check "after kill -9 the name is free" start killed --kernel guest:shell
check "the old broker has gone" gone "$broker"
qmp_open killed
check "and the new one answers" status_is running
broker=$(pgrep -P "$(pid_of killed)"); kill -9 "$broker"
check "without its broker it goes on" status_is running
check "and says so when asked for a snapshot" eval "qmp snapshot-list | jq -r .error.desc | grep -q 'no snapshots until'"
qmp quit >/dev/null; qmp_close
finish
