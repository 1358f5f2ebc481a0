#!/usr/bin/env bash
# A guest that is asked to shut down: the time that it has runs down in sight, in the workstation and under `vitrine
# stop`; it can be stopped, and its end is the VM's. The teaching guest `shell` is made to listen to the power button
# (PM1 enable, port 0x602, bit 8) and does nothing about it.
. "$(dirname "$0")/lib.bash"
export PATH=$build:$PATH

# listens VM: from now on its machine takes the power button
listens() { vm "$1" shell && vitrine send -q -t 30 -x '0x602 <- 0x100' "$1" 'out 0x602 0x100 2'; }
ended() { [ -z "$(pid_of "$1")" ]; }
stop_in() { timeout 60 vitrine stop "$@" 2>"$tap_dir/err"; }

# ---- vitrine stop
check "a guest that listens, one" listens one
check "its time over, it is left when that is wanted" sh -c "! timeout 60 $vitrine stop --no-force --timeout 0.2 one 2>'$tap_dir/err'"
check "and the way out is said" grep -q 'stop --force' "$tap_dir/err"
check "it runs on" is_state one running
stop_in --timeout 0.3 one
check "else it is turned off, which is no success" test $? -eq 5
check "and is said" grep -q 'one had not shut down in its time (0.3 s) and was turned off' "$tap_dir/err"
check "it is gone" ended one
stop_in --force --no-force one
check "both at once make no sense" test $? -eq 2
check "a guest that listens, three" listens three
start_shell 80 24
run_inside "$vitrine stop --timeout 60 three; echo ended=\$?"
expect "on a terminal the time runs down" 'off in 5'
keys Enter
expect "Enter ends it" 'ended=5'
check "and the VM" ended three

# ---- the workstation
check "a guest that listens, four" listens four
mkdir -p "$XDG_CONFIG_HOME/vitrine"
echo 'shutdown-timeout = 60;' >"$XDG_CONFIG_HOME/vitrine/vitrine.cfg"
for size in "80 24" "200 50"; do
	start ${size% *} ${size#* }
	wait_for 10 has 'four'
	keys S; expect "${size/ /x}: S asks" 'Ask four to shut down?'
	keys y; expect "${size/ /x}: the list counts down" 'off 5'
	expect "${size/ /x}: so does the bottom line" 'four off in 5'
	keys C; expect "${size/ /x}: C stops that" 'as long as it likes'
	expect_gone "${size/ /x}: nothing counts" 'off 5'
	keys S; see 'Ask four'; keys y; see 'off 5'
	keys p; expect_gone "${size/ /x}: a pause stops it as well" 'off 5'
	keys p; wait_for 10 is_state four running
	leave; wait_for 10 has 'outside>'
done
echo 'shutdown-timeout = 1;' >"$XDG_CONFIG_HOME/vitrine/vitrine.cfg"
start 100 30
wait_for 10 has 'four'
keys S; see 'Ask four'; keys y
check "when the time is over the VM is turned off" wait_for 20 ended four
expect "and that is what stays to be read" 'four has not shut down within 1 s: it was turned off'
check "a guest that listens, five" listens five
echo 'shutdown-timeout = 60;' >"$XDG_CONFIG_HOME/vitrine/vitrine.cfg"
leave; start 100 30
wait_for 10 has 'five'
palette select five
keys S; see 'Ask five'; keys y; see 'off 5'
stop_in --timeout 0.3 five
expect "turned off by somebody else: that is said, too" 'five was turned off by someone else before'
check "a guest that listens, six" listens six
wait_for 10 has 'six'; palette select six
keys S; see 'Ask six'; keys y; see 'off 5'
keys S; expect "S once more offers the end at once" 'its time runs; turn it off at once?'
keys y; check "y is the end" wait_for 20 ended six
finish
