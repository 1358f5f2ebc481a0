#!/usr/bin/env bash
# term.sh BUILD - consoles in the real workstation: what kills a terminal library, printed by a guest; vitrine-term killed;
# looking back, searching, copying. The shell guest prints any byte on ttyS0 by writing to COM1's port, on /dev/kvm.
. "$(dirname "$0")/lib.bash"

vm victim shell && vm other shell
to()     { printf '%s\r' "$2" | timeout 5 socat -u - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/$1/console"; }
# print BYTES: on victim's serial port; printf escapes
print()  {
	local b
	{ for b in $(printf "$1" | od -An -v -tx1); do printf 'out 0x3f8 0x%s\r' "$b"; done; printf 'regs\r'; } |
		timeout 60 socat -u - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/victim/console"
}
ui()     { pgrep -P "$(T display-message -p -t "=t:" '#{pane_pid}')" -x vitrine; }
terms()  { pgrep -P "$(ui)" -x vitrine-term | sort -n; }
n_terms() { [ "$(terms | wc -l)" -eq "$1" ]; }
all_new() { local p; for p in $(terms); do grep -qx "$p" <<<"$1" && return 1; done; n_terms "$(wc -l <<<"$1")"; }
alive()  { print "\033[!p\033[?1049l\033[2J\033[H$1"; see "$1"; }
waited() { echo $(( ($(date +%s%N) - $1) / 1000000 )); }

start 120 40
see victim
palette 'layout rows(serial,console)'
palette 'select victim'
wait_for 10 has 'victim · console ttyS0' && ok "both consoles of a VM are shown" || { not_ok "both consoles"; note "$(screen)"; }
print 'before'
expect "what the guest prints on its serial port is shown" 'before'

# ---- the killers, each followed by a sign of life; then with resizes around them ----
killers=('\033[5b' '\xe4\xb8\xad\033[80G\033[b' '\033[15;24r\n\n\n\n\n\n' '\033[24;80H\0337\033[H\0338text' '\033P$qz\033\\'
	'\033[?69h\033[10;5s\033[99S' '\xe2\x80\xae\xe2\x81\xa6\033]52;c;aGk=\a')
was=$(terms)
n=0
for k in "${killers[@]}"; do
	n=$((n + 1))
	print "$k"
	check "alive after killer $n" alive "sign-$n"
	size 100 $((24 + n)); print "$k"; size $((90 + n)) 30
	check "and after it between resizes" alive "again-$n"
	size 120 40
done
check "none of them ended a vitrine-term" test "$(terms)" = "$was"
to other 'peek 0x100000'
palette 'select other'
expect "the other VM's console shows what it says" '[0x100000]'
palette 'select victim'
check "blocked sequences are counted" wait_for 10 has ' blocked'

# ---- vitrine-term killed: at once another, with what was there ----
print '\033[2J\033[Hbefore-the-kill'
see before-the-kill
was=$(terms)
begin=$(date +%s%N)
for p in $was; do kill -9 "$p"; done
check "new ones take their place" wait_for 5 all_new "$was"
check "with the history" see before-the-kill
note "back after $(waited "$begin") ms"
expect "and it is said" 'a new one starts'
print ' and-goes-on'
expect "and new output" 'before-the-kill and-goes-on'
for i in 1 2 3; do # again and again, at rest: the history is not to blame
	was=$(terms)
	for p in $was; do kill -9 "$p"; done
	wait_for 10 all_new "$was" && wait_for 10 has 'before-the-kill and-goes-on' || break
done
check "killed again and again, the history is still there" has 'before-the-kill and-goes-on'

# ---- what a guest may not do unless the user says so ----
print '\033]0;a title of its own\a\033[?25l'
alive no-title
check "a guest's title is not shown" hasnt 'a title of its own'
palette 'set guest-titles victim'
expect "unless it may" '"a title of its own"'

# ---- looking back ----
palette 'layout console'
palette 'select victim'
wait_for 10 has 'victim · console hvc0'
to victim 'cpuid 0'
to victim help
see 'The last lines entered'
for i in $(seq 60); do printf 'peek 0x10%03x\r' "$i"; done | timeout 20 socat -u - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/victim/console"
wait_for 60 has 'peek 0x1003c' # a minute at worst: this guest may be emulated
expect "the last of many lines is in view" 'peek 0x1003c'
keys PPage
expect "PgUp looks back, and says where" '/'
keys v
expect "v has a cursor to select with" 'v select'
keys /; wait_for 5 prompted search; T send-keys -t "=t:" -l 'last lines ENTERED'; keys Enter
expect "search finds what scrolled away" 'The last lines entered'
T set-option -s set-clipboard on
clip() { T show-buffer 2>/dev/null | grep -q 'The last lines entered'; }
keys 0; keys v; keys '$'; keys y
expect "y copies" 'copied 1 line'
if clip; then not_ok "not into the terminal's clipboard"; else ok "not into the terminal's clipboard"; fi
palette 'set clipboard true'
keys v; keys /; wait_for 5 prompted search; keys Enter # the text of before
see 'The last lines entered'
keys 0; keys v; keys '$'; keys y
check "unless the user says so" wait_for 5 clip
keys Enter
expect "Enter types again" '[CONSOLE victim]'
gone 'The last lines entered'
keys C-]; keys :; wait_for 5 prompted :; T send-keys -t "=t:" -l 'console-paste'; keys Enter
expect "what was copied is typed into the guest" 'shell> history      The last lines entered'
keys C-u
palette console-restart
expect "a parser can be changed by hand" "a new vitrine-term reads victim's console"

# ---- the VM ends and comes back ----
kill -9 "$(pid_of victim)"
expect "the pane keeps what was there and says that the VM ended" 'VM ended'
check "with what it said last" wait_for 5 has 'shell>'
vm victim shell
expect_gone "and takes up the new one's console" 'VM ended'
expect "with its output" 'look at a virtual machine'
finish
