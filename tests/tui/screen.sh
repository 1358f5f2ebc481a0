#!/usr/bin/env bash
# The screen as a whole: sizes and resize storms, themes and poor terminals, mistakes in vitrine.cfg, and what dies
# under it or with it.
. "$(dirname "$0")/lib.bash"

full_frame() { screen | head -n 1 | grep -q '^╭.*╮$' && screen | tail -n 2 | head -n 1 | grep -q '^╰.*╯$'; }
frame_of()   { [ "$(screen | head -n 1 | tr -d '\n' | wc -m)" -eq "$1" ] && full_frame; }
running()    { is_state "$1" running; }
alive()      { [ -n "$(pgrep -f "^$vitrine( |$)" | head -n 1)" ]; }
ui_pid()     { T list-panes -t "=t:" -F '#{pane_pid}' | xargs -I{} pgrep -P {} | head -n 1; }

vm a shell && vm b shell && vm c pager || { not_ok "three VMs run"; finish; }

# ---- sizes ----
for size in "80 24" "200 50" "132 43" "60 16" "40 8"; do
	set -- $size
	start "$1" "$2"
	if wait_for 10 frame_of "$1"; then ok "a whole frame at $1x$2"; else not_ok "a whole frame at $1x$2"; note "$(screen)"; fi
done
size 30 5
expect "too small: said, not drawn" 'too small'
size 80 24
seen_frame() { wait_for 10 frame_of "$1"; }
check "and back" seen_frame 80

# ---- a resize storm while a guest floods and another paints ----
start 100 30
see 'shell>'
keys 1; keys Enter; see '[CONSOLE a]'
run_inside 'dump 0x100000 0x1800'
for i in $(seq 1 60); do
	size $((RANDOM % 150 + 20)) $((RANDOM % 50 + 4))
	[ $((i % 10)) -eq 0 ] && wait_for 1 true
done
size 120 40
check "after a storm of 60 sizes the frame is whole" seen_frame 120
keys C-]; see '[CONTROL]'
keys q; expect "and the workstation answers" 'VMs go on'
check "no VM was lost" running a

# ---- the guest is told its size, and keys reach it during the flood ----
start 120 40
see 'shell>'
keys 1; keys Enter; see '[CONSOLE a]'; keys C-]; keys z; see 'zoomed'; see '[CONSOLE a]'
wait_for 120 has 'shell>' # the guest writes its flood to the end
run_inside 'clear'
run_inside 'peek 0x100000'
expect "the console works after the storm" '[0x100000]'
keys C-]; see '[CONTROL]'; keys z q; see 'VMs go on'

# ---- the mouse ----
mouse() { T send-keys -t "=t:" -l $'\e'"[<$1"; } # as terminals send it: CODE;COLUMN;ROW and M or m
first_border() { local line; line=$(screen | head -n 1); line=${line%%[┬╮]*}; echo ${#line}; }
moved() { [ "$(first_border)" -eq "$1" ]; }
start 100 30
see 'shell>'; see ' a · console'
mouse '0;5;3M'; mouse '0;5;3m'
expect "mouse: a click in the list selects" ' b · console'
mouse '0;40;5M'; mouse '0;40;5m'
expect "mouse: a click on a pane focuses it" '▸'
b=$(first_border)
mouse "0;$((b + 1));8M"; mouse "32;$((b + 5));8M"; mouse "32;$((b + 9));8M"; mouse "0;$((b + 9));8m"
check "mouse: a border is dragged" wait_for 5 moved $((b + 8))
keys q; see 'VMs go on'

# ---- themes, in a terminal of 256, 16, 8 and no colours ----
theme_names() { local f; for f in "$tests"/../themes/*.cfg; do basename "$f" .cfg; done; }
for theme in $(theme_names); do
	start 100 30 -t "$theme"
	if wait_for 10 full_frame && hasnt 'the theme stays' && hasnt 'no theme'; then ok "theme $theme"; else
		not_ok "theme $theme"; note "$(screen)"; fi
	keys q; see 'VMs go on'
done
for term in xterm-256color xterm-16color xterm linux vt100; do
	infocmp "$term" >/dev/null 2>&1 || { skip "no terminfo here" "TERM=$term"; continue; }
	TERM_INSIDE=$term start 100 30
	if wait_for 10 full_frame && see a; then ok "TERM=$term"; else not_ok "TERM=$term"; note "$(screen)"; fi
	keys q; see 'VMs go on'
done
coloured() { T capture-pane -p -e -t "=t:" | grep -qE $'\033\\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m'; }
start_shell 100 30; run_inside "clear; NO_COLOR=1 $vitrine"; see '[CONTROL]'; wait_for 10 full_frame
if ! coloured; then ok "NO_COLOR: none is used"; else not_ok "NO_COLOR: none is used"; fi
keys q; see 'VMs go on'
start 100 30
check "otherwise there are colours" wait_for 5 coloured
keys q; see 'VMs go on'

# ---- without UTF-8 ----
ascii_only() { ! screen | LC_ALL=C grep -q '[^ -~]' && has '+' && has '|'; }
start 100 30 --ascii
check "--ascii: nothing but ASCII" wait_for 10 ascii_only
keys q; see 'VMs go on'
start_shell 100 30; run_inside "clear; LC_ALL=C $vitrine"; see '[CONTROL]'
check "LC_ALL=C: the same by itself" wait_for 10 ascii_only
keys q; see 'VMs go on'

# ---- vitrine.cfg ----
cfg=$XDG_CONFIG_HOME/vitrine/vitrine.cfg; mkdir -p "${cfg%/*}"
printf 'theme = "light";\nprefix = "C-b";\nkeys = { pause = "F9"; };\nbind = ( { key = "F2"; run = "layout memory"; } );\nlayouts = { mine = "rows(console, log:30%%)"; };\n' >"$cfg"
start 100 30
keys F2; expect "bind: a key of one's own" 'memory 1/'
palette layout mine; expect "layouts: one of one's own" 'mine 1/'
palette select a; see ' a · console'; keys F9; expect "keys: another key for a command" 'F9 resume'
keys F9; check "keys: and back" wait_for 5 running a
palette console; see '[CONSOLE a]'; keys C-b; expect "prefix: another one" '[CONTROL]'
keys q; see 'VMs go on'
mistake() { # mistake NAME TEXT LINE WANTS
	printf "$2" >"$cfg"
	start 100 30
	expect "$1: said with file and line" "vitrine.cfg:$3"
	palette messages
	if wait_for 5 said "$4"; then ok "$1: and what would be right"; else not_ok "$1: and what would be right"; note "$(screen)"; fi
	keys q; wait_for 2 has 'VMs go on' || { keys q; see 'VMs go on'; }
}
said() { cat "$XDG_STATE_HOME/vitrine/vitrine.log" | grep -q -- "$1"; }
mistake "an unknown option" 'theme = "dark";\ncolor = true;\n' 2 'there are theme, layout'
mistake "a wrong type" 'frame-rate = "fast";\n' 1 '1 to 60 frames'
mistake "an unknown command" 'keys = {\n  explode = "x";\n};\n' 2 'list-commands'
mistake "an unknown key" 'keys = {\n\n  pause = "Hyper-x";\n};\n' 3 'keys are written'
mistake "a wrong layout" 'layouts = {\n  x = "cols(vms, nothing)";\n};\n' 2 'no view "nothing"'
mistake "no libconfig at all" 'theme = = ;\n' 1 'the defaults are used'
rm -f "$cfg"
mkdir -p "$XDG_CONFIG_HOME/vitrine/themes"
printf 'default = { fg = 7; };\nsparkle = { fg = 9; };\n' >"$XDG_CONFIG_HOME/vitrine/themes/broken.cfg"
start 100 30 -t broken
expect "a mistake in a theme: file and line" 'broken.cfg:2'
expect "and the screen is there" 'VMs'
keys q; see 'VMs go on'

# ---- a view opened over another, and closed ----
start 100 30
see 'shell>'
keys 7; expect "a view opens over another" '▸a · snapshots'
keys q; expect "q closes it and gives the focus back" '▸VMs'
size 200 50
expect "and the layout follows the VMs again" ' c · console'
size 80 24
expect "80x24: the bottom line tells of help" '? help'
keys q; see 'VMs go on'

# ---- deaths ----
start 100 30
see 'shell>'
keys 1; keys Enter; see '[CONSOLE a]'
kill -9 "$(pid_of b)"
expect "a VM killed with -9 is said to be lost" 'b is lost'
run_inside 'peek 0x100000'
expect "its neighbour answers" '[0x100000]'
keys C-]; see '[CONTROL]'; palette select b; keys 2 z
expect "its console can still be read" 'look at a virtual machine'
expect "and says that it is over" 'said last'
keys z; palette select a; see ' a · console'
kill -9 "$(ui_pid)"
gone_ui() { [ -z "$(ui_pid)" ]; }
check "the workstation is killed with -9" wait_for 5 gone_ui
check "the VMs are not" running a
run_inside "reset; clear; $vitrine"
expect "a new one attaches" '[CONTROL]'
expect "with the console's history" '[0x100000]'
kill -SEGV "$(ui_pid)"
check "the workstation dies of a signal" wait_for 5 gone_ui
run_inside 'clear; stty -a | grep -o " echo "; echo "modes are $((1 + 1))"'
expect "and leaves a terminal that works" 'modes are 2'
expect "that echoes" ' echo'
run_inside "clear; $vitrine"; expect "and attaches again" '[CONTROL]'
kill -TERM "$(ui_pid)"
expect "TERM: leaves in order" 'VMs go on'
run_inside "clear; $vitrine"; see '[CONTROL]'
T kill-session -t t
no_ui() { ! pgrep -f "^$vitrine$" >/dev/null; }
check "the terminal goes away: so does the workstation" wait_for 5 no_ui
check "and no VM" running a
finish
