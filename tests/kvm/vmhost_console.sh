#!/usr/bin/env bash
# vmhost_console.sh - console sockets: history, floods that arrive whole, readers that do not read, input that waits.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"

start c --kernel guest:shell --history 16K || { not_ok "starts: $(cat "$tap_dir/start.err")"; finish; }
con_open c; qmp_open c
check "the guest boots" wait_for 10 shows 'shell>'
info() { qmp x-console-info | jq -c ".return[0].$1"; }

# ---- a flood, while one reader stands still
socat -u "UNIX-CONNECT:$run/c/console" "OPEN:$tap_dir/slow,creat,append" & slow=$!
wait_for 5 test "$(info clients)" -ge 2
wait_for 5 grep -qa 'shell>' "$tap_dir/slow"
kill -STOP $slow
# Numbered lines, each with 1.8 KiB of help between it and the next.
flood() { local i; for ((i = 0; i < $2; i++)); do printf 'peek 0x%x\rhelp\r' $(($1 + i * 16)); done; }
flood $((0x100000)) 60 | socat -u - "UNIX-CONNECT:$run/c/console" & typist=$!
stalled() { [ "$(info stalled)" = true ]; }
check "a reader that stands still stops the guest's output" wait_for 120 stalled
total=$(info total)
check "the VM answers meanwhile" status_is running
check "its vCPU is not stuck: it can be paused" test "$(qmp stop | jq -c .return)" = '{}'
check "and goes on" test "$(qmp cont | jq -c .return)" = '{}'
check "no byte was pushed out of the history" test "$(info total)" -le $((total + 16384))
kill -CONT $slow
# done FILE LAST: the last line has come, and its help, and the prompt after it
ended() { tail -c 4000 "$1" | tr -d '\r' | grep -qaF "peek 0x$2" && tail -c 200 "$1" | grep -qa 'shell>' && [ "$(numbers "$1" | wc -l)" -ge "$3" ] && [ "$(helps "$1")" -ge "$3" ]; }
numbers() { grep -aoE 'peek 0x[0-9a-f]+' "$1" | uniq; }
helps() { grep -aoF 'Numbers: 0x1000' "$1" | wc -l; }
check "the reader goes on, and so does the guest" wait_for 180 ended "$tap_dir/slow" 1003b0 60
check "the other reader has it too" wait_for 20 ended "$con" 1003b0 60
wait $typist
settled() { local a; a=$(info total); sleep 0.3; [ "$a" = "$(info total)" ] && [ "$a" = "$(stat -c %s "$con")" ]; }
wait_for 20 settled
for ((i = 0; i < 60; i++)); do printf 'peek 0x%x\n' $((0x100000 + i * 16)); done >"$tap_dir/want"
check "every line came to the slow reader, once and in order" cmp <(numbers "$tap_dir/slow") "$tap_dir/want"
check "and to the fast one" cmp <(numbers "$con") "$tap_dir/want"
check "with all that was between them" test "$(helps "$tap_dir/slow")-$(helps "$con")" = 60-60
check "both saw the same bytes" cmp <(tail -c 100000 "$tap_dir/slow") <(tail -c 100000 "$con")
kill $slow; wait $slow 2>/dev/null

# ---- history
history_of c >"$tap_dir/history"
check "the history is as long as was asked for" test "$(stat -c %s "$tap_dir/history")" -eq 16384
check "a new client gets exactly the end of the stream" cmp "$tap_dir/history" <(tail -c 16384 "$con")
check "the total counts every byte" test "$(info total)" -eq "$(stat -c %s "$con")"

# ---- a reader that dies while it holds the guest back
socat -u "UNIX-CONNECT:$run/c/console" "OPEN:$tap_dir/dead,creat,append" & dead=$!
wait_for 5 test "$(info clients)" -ge 2
wait_for 5 test -s "$tap_dir/dead"; kill -STOP $dead
: >"$con"
flood $((0x200000)) 60 | socat -u - "UNIX-CONNECT:$run/c/console" & typist=$!
check "it stands still again" wait_for 120 stalled
kill -9 $dead; wait $dead 2>/dev/null
check "a killed reader holds nobody back" wait_for 180 ended "$con" 2003b0 60
wait $typist

# ---- input
: >"$con"
qmp stop >/dev/null
for ((i = 0; i < 400; i++)); do printf 'peek 0x%x\r' $((0x100000 + i * 16)); done >"$tap_dir/typed" # 6 KB: more than fits
timeout 60 socat -u "OPEN:$tap_dir/typed" "UNIX-CONNECT:$run/c/console" & typist=$!
check "a paused guest can be typed at" test -n "$(info total)"
qmp cont >/dev/null
check "all of it arrives" wait_for 120 shows "peek 0x$(printf %x $((0x100000 + 399 * 16)))"
wait $typist
seen() { grep -aoE 'peek 0x[0-9a-f]+' "$con" | sort -u | wc -l; }
check "every line of it, once" test "$(seen)" -eq 400

# ---- many clients
readers=()
for ((i = 0; i < 15; i++)); do socat -u "UNIX-CONNECT:$run/c/console" - >/dev/null & readers+=($!); done
full() { [ "$(info clients)" -eq 16 ]; }
check "sixteen may attach" wait_for 10 full
check "one more is turned away" test "$(timeout 5 socat -u "UNIX-CONNECT:$run/c/console" - | wc -c)" -eq 0
kill "${readers[@]}"; wait "${readers[@]}" 2>/dev/null
alone() { printf '\r' | socat -u - "UNIX-CONNECT:$run/c/console"; [ "$(info clients)" -le 2 ]; }
check "when they go, there is room again" wait_for 10 alone
# Typing and leaving, more often than there are places.
for ((i = 0; i < 40; i++)); do say c $'\r'; done
check "leaving clients leave no trace" wait_for 10 alone

# ---- the second stream
check "ttyS0 has a socket of its own" test "$(qmp x-console-info | jq -r '.return[1].name')" = ttyS0
check "and is silent here" test "$(timeout 1 socat -u "UNIX-CONNECT:$run/c/console1" - | wc -c)" -eq "$(qmp x-console-info | jq '.return[1].history')"
check "it still answers" eval "ask c 'peek 0x100000' 'peek 0x100000'"
qmp quit >/dev/null; qmp_close; con_close
finish
