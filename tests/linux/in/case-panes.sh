#!/usr/bin/env bash
# case-panes.sh - the workstation in a terminal (tmux) with a Debian guest in its panes: a login on each console, typed
# at as a person does, and a size that the guest's tty follows.
# limit: 240
. "$(dirname "$0")/lib.bash"
. "$(dirname "$0")/../../tui/lib.bash"
see_seconds=40
type() { T send-keys -t "=t:" -l "$1"; keys Enter; }
matches() { screen | grep -qE -- "$1"; }
# seen NAME PATTERN: comes to the screen
seen() {
	if wait_for 40 matches "$2"; then ok "$1"; else not_ok "$1"; note "not on the screen: $2"; note "$(screen)"; explain; fi
}

up cloud/vmlinux 1 || finish
start 100 30
palette 'layout rows(serial)'
see 'l · console ttyS0'; keys Enter; see '[CONSOLE l]'; keys Enter
seen "ttyS0 in a pane: a prompt" 'linux:ttyS0#'
type 'echo on $(tty).'
seen "it answers" 'on /dev/ttyS0\.'
keys C-]; see '[CONTROL]'
palette 'layout console'
see 'l · console hvc0'; keys Enter; see '[CONSOLE l]'; keys Enter
seen "hvc0 in a pane: a prompt" 'linux:hvc0#'
type 'echo on $(tty).'
seen "it answers" 'on /dev/hvc0\.'

# What the pane leaves of the window for its borders and lines is the same at every size; the tty has the rest. The guest
# waits for its size to become that, so nobody has to guess how long it takes.
type 'clear; echo tty0 $(stty size).'
seen "the tty has a size" 'tty0 [0-9]+ [0-9]+\.'
tty_of() { screen | sed -n "s/.*tty$1 \([0-9]* [0-9]*\)\..*/\1/p" | tail -n 1; }
read -r rows cols <<<"$(tty_of 0)"
lines=$((30 - ${rows:-0})) columns=$((100 - ${cols:-0}))
check "that of the window but for a few lines and columns" test $lines -ge 0 -a $lines -le 6 -a $columns -ge 0 -a $columns -le 4
n=0 followed=0
for s in 80x24 120x40 81x25 200x50 90x24 84x26 132x43 95x28 160x45 100x30; do
	n=$((n + 1)) want="$((${s#*x} - lines)) $((${s%x*} - columns))"
	type "clear; echo wait''ing$n.; while [ \"\$(stty size)\" != '$want' ]; do :; done; echo tty$n \$(stty size)."
	wait_for 40 matches "waiting$n\."
	size "${s%x*}" "${s#*x}"
	wait_for 40 matches "tty$n [0-9]+ [0-9]+\."
	if [ "$(tty_of $n)" = "$want" ]; then followed=$((followed + 1))
	else note "in a window of $s the tty does not become $want"; note "$(screen)"; keys C-c; fi
done
check "the size of the guest's tty follows the pane through ten resizes" test $followed -eq 10
keys C-]; see '[CONTROL]'; keys q
check "off" down
finish
