#!/usr/bin/env bash
# Every command of the table does what it says. The list comes from `vitrine --list-commands`: a command that is
# added without a case here fails.
. "$(dirname "$0")/lib.bash"

# A known place to begin from: CONTROL mode, the first layout, VM a selected.
home() {
	has '[CONSOLE' && { keys C-]; see '[CONTROL]'; }
	palette layout main
	palette select a
	keys 1
	see '▸VMs' && see ' a · console'
}
list_row() { screen | grep -E "^│[^│]*[[:space:]]$1[[:space:]]" | head -n 1; }
listed()   { list_row "$1" | grep -qF -- "$2"; }
unlisted() { ! list_row "$1" | grep -q .; }
rip()      { "$vitrine" registers "$1" | grep -m1 -oE 'rip +[0-9a-fx]+'; }
rip_moved() { [ "$(rip b)" != "$old_rip" ]; }
first_border() { local line; line=$(screen | head -n 1); line=${line%%[┬╮]*}; echo ${#line}; }
changed()  { [ "$(first_border)" != "$old_border" ]; }
running()  { is_state "$1" running; }
paused()   { is_state "$1" paused; }
snapshots() { "$vitrine" snapshot list a; }
saved()    { snapshots | grep -qw "$1"; }
unsaved()  { local list; list=$(snapshots) && ! grep -qw "$1" <<<"$list"; }

try_console() {
	keys 1; keys Enter
	expect "console: Enter types to the guest" '[CONSOLE a]'
	run_inside 'peek 0x100000'
	expect "console: the guest answers" '100000'
	keys C-]
	expect "console: the prefix leads back" '[CONTROL]'
}
try_start() {
	palette select def
	see ' def · console'; keys s
	check "start: a defined VM runs" wait_for 10 running def
	check "start: the list says so" wait_for 5 listed def '●'
}
try_new() {
	palette new fresh shell --memory 16M
	check "new: a VM runs from the palette" wait_for 10 running fresh
	"$vitrine" stop --force fresh >/dev/null
	check "new: it leaves the list when it has ended" wait_for 10 unlisted fresh
	keys n
	expect "new: without arguments there is a form" 'A new VM'
	keys C-u; T send-keys -t "=t:" -l formed; keys Enter
	check "new: the form starts it" wait_for 10 running formed
	"$vitrine" stop --force formed >/dev/null
	wait_for 10 unlisted formed
	keys n; see 'A new VM'; keys Tab Tab Tab Tab; T send-keys -t "=t:" -l /none/such; keys Enter
	expect "new: what is wrong is said" 'disk /none/such: there is no such file'
	keys n; see 'A new VM'; expect "new: and what was typed is still there" '/none/such'
	keys Escape; gone 'A new VM'
}
try_pause() {
	keys p
	check "pause: the VM is paused" wait_for 5 paused a
	expect "pause: the screen says so" 'p resume'
	keys p
	check "pause: again, and it goes on" wait_for 5 running a
}
try_resume() {
	"$vitrine" pause a; expect "resume: a pause from outside is seen" 'p resume'
	palette resume
	check "resume: it runs" wait_for 5 running a
}
try_step() {
	keys .
	expect "step: a running VM cannot be stepped" 'only a paused VM'
	palette pause b; wait_for 5 paused b
	old_rip=$(rip b)
	palette step b
	check "step: the instruction pointer moves" wait_for 5 rip_moved
	palette resume b; wait_for 5 running b
}
try_snapshot() {
	keys t
	expect "snapshot: asks for a name" 'snapshot of a, its name'
	keys C-u; T send-keys -t "=t:" -l "first$run"; keys Enter
	expect "snapshot: says when it is there" "snapshot first$run saved"
	palette snapshot a second$run
	check "snapshot: by name" wait_for 10 saved second$run
}
try_load() {
	saved first$run || palette snapshot a first$run
	wait_for 10 saved first$run
	keys 1; keys Enter; see '[CONSOLE a]'
	run_inside 'poke 0x1f00000 0x5a'; keys C-]; see '[CONTROL]'
	palette load a first$run
	expect "load: asks" 'Take a back to'
	keys n
	expect "load: no means no" 'nothing was done'
	palette load a first$run; see 'Take a back to'; keys y
	expect "load: done" "first$run loaded"
	keys L
	expect "load: without a name the snapshots are shown" 'a · snapshots'
}
try_delete() {
	saved second$run || palette snapshot a second$run
	wait_for 10 saved second$run
	palette delete a second$run
	expect "delete: asks" 'Delete snapshot'
	keys y
	check "delete: gone" wait_for 10 unsaved second$run
}
try_shutdown() {
	keys S
	expect "shutdown: asks" 'Ask a to shut down?'
	keys y
	expect "shutdown: what came of it" 'power button'
}
try_shutdown_cancel() { # a guest that has the time: tests/linux/use.sh
	keys C
	expect "shutdown-cancel: says that there is nothing to stop" 'no time runs down for a'
}
try_reset() {
	keys R
	expect "reset: asks" 'Reset a at once?'
	keys y
	expect "reset: done" 'a was reset'
	check "reset: it runs" wait_for 5 running a
}
try_force_off() {
	vm doomed shell; wait_for 5 listed doomed '●'
	palette select doomed; see ' doomed · console'
	keys F
	expect "force-off: asks" 'End doomed at once?'
	keys y
	check "force-off: it is off the list" wait_for 10 unlisted doomed
}
try_balloon() { palette balloon a 16M; palette balloon a; expect "balloon: what is to be kept" '16 MiB to be kept'; }
try_link() {
	palette link a net0 down; expect "link: of no card" "'net0' not found"
	palette link net0 sideways; expect "link: what to write" 'link net0 down'
}
try_nmi() {
	palette nmi a
	expect "nmi: asks" 'non-maskable'
	keys y; gone '(y/n)'
	check "nmi: the machine is still there" wait_for 5 is_known a
}
is_known() { [ -n "$(state_of "$1")" ]; }
try_forget() {
	vm victim shell; wait_for 5 listed victim '●'
	kill -9 "$(pid_of victim)"
	check "forget: a killed VM is shown as lost" wait_for 5 listed victim 'lost'
	expect "forget: and said to be" 'victim is lost'
	palette forget victim
	check "forget: and then forgotten" wait_for 5 unlisted victim
}
try_select()      { palette select b; expect "select: views follow" ' b · console'; }
try_next_vm()     { palette next-vm; expect "next-vm" ' b · console'; }
try_previous_vm() { palette select b; see ' b · console'; palette previous-vm; expect "previous-vm" ' a · console'; }
try_view() {
	local n=1 v
	for v in VMs console vCPU 'memory map' heat memory snapshots log serial; do
		case $n in 2) v='console hvc0' ;; 9) v='ttyS0' ;; esac
		keys $n
		if wait_for 10 focused_on "$v"; then ok "view $n: $v"; else not_ok "view $n: $v"; note "$(screen)"; fi
		n=$((n + 1))
	done
}
focused_on() { screen | grep -qE "▸[^─]*$1"; }
try_goto() {
	keys g
	expect "goto: asks for an address" 'go to address'
	keys C-u; T send-keys -t "=t:" -l 0x100000; keys Enter
	expect "goto: the hex view is there" '00100000'
}
try_scroll() {
	keys Enter; see '[CONSOLE a]'; keys C-]; keys '['
	expect "scroll: by tmux's habit" ' v select'
	expect "scroll: in CONTROL mode" '[CONTROL]'
	keys q; expect_gone "scroll: q leaves it" ' v select'
}
try_filter() {
	keys /; wait_for 5 prompted /; T send-keys -t "=t:" -l zzz
	expect "filter: while typing" 'none matches'
	keys C-u; T send-keys -t "=t:" -l b; keys Enter
	expect "filter: the title tells" 'VMs /b'
	keys /; wait_for 5 prompted /; keys C-c
	expect_gone "filter: given up" 'VMs /b'
}
try_focus_next()     { keys Tab; expect "focus-next" '▸a · console'; }
try_focus_previous() { keys Tab; see '▸a · console'; keys BTab; expect "focus-previous" '▸VMs'; }
try_focus_right()    { keys Right; expect "focus-right" '▸a · console'; }
try_focus_left()     { keys Right; see '▸a · console'; keys Left; expect "focus-left" '▸VMs'; }
try_focus_down()     { palette view vcpu; wait_for 5 focused_on vCPU; keys C-Down; seen "focus-down" focused_on heat; }
try_focus_up()       { palette view heat; wait_for 5 focused_on heat; keys C-Up; seen "focus-up" focused_on '(console|vCPU)'; }
# seen NAME COMMAND... : as check, after waiting, with the screen when it fails
seen() { local name=$1; shift; if wait_for 5 "$@"; then ok "$name"; else not_ok "$name"; note "$(screen)"; fi; }
panes()  { screen | grep -oE '· console hvc0' | wc -l; }
has_panes() { [ "$(panes)" -eq "$1" ]; }
try_split_right() { palette layout console; wait_for 5 has_panes 1; keys %; seen "split-right" has_panes 2; }
try_split_below() { palette layout console; wait_for 5 has_panes 1; keys '"'; seen "split-below" has_panes 2; }
try_close_pane()  { palette layout console; keys %; wait_for 5 has_panes 2; keys x; seen "close-pane" has_panes 1; }
try_zoom() {
	keys z; expect "zoom: the pane has the screen" 'zoomed'
	expect_gone "zoom: the others are away" 'heat'
	keys z; expect "zoom: and back" 'heat'
}
try_grow()   { old_border=$(first_border); palette grow cols; seen "grow: the border moves" changed; }
try_shrink() {
	old_border=$(first_border); palette grow cols; wait_for 5 changed
	old_border=$(first_border); palette shrink cols; seen "shrink: the border moves" changed
}
try_layout() {
	palette layout memory; expect "layout: by name" 'memory 1/'
	palette 'layout rows(console, log)'; expect "layout: written out" 'a · log'
	palette layout nonsense; expect "layout: a wrong name is told" 'no layout "nonsense"'
}
try_tab_next()     { keys ]; expect "tab-next" '2/5'; keys [; see '1/5'; }
try_tab_previous() { keys [; expect "tab-previous: around" '5/5'; keys ]; see '1/5'; }
try_tab_new()      { palette tab-new cpu; expect "tab-new" '6/6'; palette tab-close; see '/5'; first_tab; }
try_tab_close()    { palette tab-new; see '6/6'; palette tab-close; expect "tab-close" '/5'; first_tab; }
tab_shown()    { screen | tail -n 1 | grep -oE '[0-9]+/[0-9]+ *$'; }
tab_moved()    { local now; now=$(tab_shown) && [ "$now" != "$old_tab" ]; }
# A key at a time: the next one is pressed when the last one's tab is on the screen.
first_tab() {
	local i
	for i in 1 2 3 4 5; do
		old_tab=$(tab_shown)
		[[ $old_tab == 1/* ]] && return 0
		keys ]; wait_for 10 tab_moved || return 1
	done
}
try_theme() {
	palette theme light; expect "theme: by name" 'theme light'
	keys T; expect "theme: the next" 'theme mono'
	palette theme nonsense; expect "theme: a wrong name is told, with those there are" 'colour-blind'
	palette theme dark; see 'theme dark'
}
try_set() {
	palette set borders square; expect "set: borders" '┌'
	palette set borders rounded; see '╭'
	palette set frame-rate 1000; expect "set: a wrong value is told" '1 to 60'
}
try_bind()    { palette bind F7 layout cpu; keys F7; expect "bind: the key runs it" 'cpu 1/'; }
try_palette() {
	keys :; wait_for 5 prompted :; T send-keys -t "=t:" -l tab; expect "palette: completions with help" 'Go to the next tab.'
	keys C-c; expect_gone "palette: given up" 'Go to the next tab.'
	palette nonsense; expect "palette: a wrong name is told" 'no command "nonsense"'
}
try_help() {
	keys ?; expect "help: opens" 'Two modes'
	keys /; wait_for 5 prompted /; T send-keys -t "=t:" -l snapshot; expect "help: searches" 'help /snapshot'
	keys Enter; keys q; expect_gone "help: closes" 'help /snapshot'
}
try_messages() { palette nonsense; keys m; seen "messages: the list has it" said_twice; }
said_twice()   { [ "$(screen | grep -c 'no command')" -ge 1 ] && focused_on messages; }
try_redraw() {
	printf '\033[5;5HJUNKJUNK' >"$(T display-message -p -t '=t:' '#{pane_tty}')"
	see JUNKJUNK
	keys C-l; expect_gone "redraw: what others wrote is away" JUNKJUNK
}
try_suspend() {
	keys C-z; expect "suspend: the shell is back" 'Stopped'
	run_inside fg; expect "suspend: fg returns" '[CONTROL]'
}
try_detach() {
	keys 1; keys Enter; see '[CONSOLE a]'; keys C-]; keys d
	expect "detach: by tmux's habit; VMs go on" 'VMs go on'
	check "detach: they do" running a
	run_inside "clear; $vitrine"; see '▸VMs' && see 'shell>'
	has 'shell>' && ok "attach: the console's history is there" || { not_ok "attach: the console's history is there"; note "$(screen)"; }
}
try_quit() {
	keys z; see zoomed; keys q; expect_gone "quit: backs out first" zoomed
	keys q; expect "quit: then leaves" 'VMs go on'
	check "quit: the VMs are still there" running a
	run_inside "clear; $vitrine"; see '▸VMs'
}

mkdir -p "$XDG_CONFIG_HOME/vitrine/vms"
printf 'kernel = "guest:shell";\nmemory = "16M";\nvcpus = 1;\n' >"$XDG_CONFIG_HOME/vitrine/vms/def.cfg"
vm a shell && vm b pager || { not_ok "two VMs run"; finish; }

all_at() { # all_at WIDTH HEIGHT
	start "$1" "$2" || { not_ok "the workstation starts at $1x$2"; note "$(screen)"; finish; }
	wait_for 10 has 'shell>' || note "$(screen)"
	while IFS=$'\t' read -r name _; do
		if ! declare -F "try_${name//-/_}" >/dev/null; then
			not_ok "$name: has a test"
			continue
		fi
		home || { not_ok "$name: the screen could be brought home at $1x$2"; note "$(screen)"; }
		"try_${name//-/_}"
	done < <("$vitrine" --list-commands)
	"$vitrine" stop --force def >/dev/null
}
run=1
all_at 80 24
run=2
all_at 200 50
finish
