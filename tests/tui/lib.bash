# lib.bash - for the tests of the screen: a terminal of its own (tmux, private socket), keys in, text out.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"
vitrine=$build/vitrine
sock=vitrine-tui-$$
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset NO_COLOR TMUX
T() { tmux -L "$sock" -f /dev/null "$@"; }
trap 'T kill-server 2>/dev/null; tap_cleanup' EXIT

if ! "$vitrine" check >"$tap_dir/check" 2>&1; then
	skip "no KVM here: $(grep -m1 -E '^(bad|missing)' "$tap_dir/check")" "the workstation with running VMs"
	finish
fi

screen()  { T capture-pane -p -t "=t:" 2>/dev/null; }
has()     { screen | grep -qF -- "$1"; }
hasnt()   { ! has "$1"; }
keys()    { T send-keys -t "=t:" "$@"; }
see()     { wait_for "${see_seconds:-10}" has "$1"; }
gone()    { wait_for 10 hasnt "$1"; }
# expect NAME TEXT: TEXT comes to the screen
expect()  { if see "$2"; then ok "$1"; else not_ok "$1"; note "not on the screen: $2"; note "$(screen)"; fi; }
expect_gone() { if gone "$2"; then ok "$1"; else not_ok "$1"; note "still on the screen: $2"; note "$(screen)"; fi; }

# start_shell WIDTH HEIGHT: a terminal with a shell in it; run COMMAND: typed there
start_shell() {
	T kill-server 2>/dev/null; wait_for 5 no_server
	T new-session -d -s t -x "$1" -y "$2" "env TERM=${TERM_INSIDE:-tmux-256color} PS1='outside> ' bash --norc --noprofile -i"
	wait_for 5 has 'outside>'
}
no_server() { ! T list-sessions >/dev/null 2>&1; }
run_inside() { T send-keys -t "=t:" -l "$*"; T send-keys -t "=t:" Enter; }
# start WIDTH HEIGHT [ARGS]: the workstation
start()   { start_shell "$1" "$2"; shift 2; run_inside "clear; $vitrine $*"; wait_for 10 has '[CONTROL]'; }
# leave: back to the shell
leave()   { keys Escape; wait_for 1 true; keys C-]; keys d; }
size()    { T resize-window -t "=t:" -x "$1" -y "$2"; }

vm()      { "$vitrine" run -d -n "$1" --memory 32M "$2" >"$tap_dir/run.log" 2>&1 || { note "$(cat "$tap_dir/run.log")"; return 1; }; }
pid_of()  { "$vitrine" ls --json | jq -r --arg n "$1" '.[] | select(.name == $n) | .pid'; }
state_of() { "$vitrine" ls --json | jq -r --arg n "$1" '.[] | select(.name == $n) | .state'; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
# palette LINE: a command by its name
prompted() { screen | tail -n 1 | grep -q "^ $1"; }
palette() { keys :; wait_for 5 prompted :; T send-keys -t "=t:" -l "$*"; keys Enter; }
