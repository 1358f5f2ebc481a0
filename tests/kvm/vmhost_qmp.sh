#!/usr/bin/env bash
# vmhost_qmp.sh - the control socket against clients that misbehave; samples; what the sandbox leaves a VM.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"

start q --kernel guest:shell --memory 64M || { not_ok "starts: $(cat "$tap_dir/start.err")"; finish; }
con_open q; qmp_open q
wait_for 10 shows 'shell>'
pid=$(pid_of q)
error_of() { qmp_raw "$1" | jq -r '.error.desc // "no error"'; }
says() { local got; got=$(error_of "$2"); case $got in *"$3"*) ok "$1" ;; *) not_ok "$1"; note "said: $got" ;; esac; }

# ---- malformed
says "no JSON"                'hello' 'JSON parse error'
says "half an object"         '{"execute": "query-status"' 'JSON parse error'
says "an array"               '[1, 2]' 'must be a JSON object'
says "no command"             '{}' "lacks member 'execute'"
says "an unknown command"     '{"execute": "rm -rf"}' 'has not been found'
says "arguments of a kind"    '{"execute": "x-registers", "arguments": 5}' 'must be an object'
says "an unknown argument"    '{"execute": "x-registers", "arguments": {"cpus": 0}}' "'cpus' is unexpected"
says "a missing argument"     '{"execute": "x-translate", "arguments": {"cpu": 0}}' "'address' is missing"
says "no such vCPU"           '{"execute": "x-registers", "arguments": {"cpu": 1}}' 'there is no vCPU 1; there are 1'
says "a vCPU beyond all"      '{"execute": "x-registers", "arguments": {"cpu": 18446744073709551615}}' 'JSON parse error'
says "a negative number"      '{"execute": "x-registers", "arguments": {"cpu": -1}}' 'not a number'
says "memory beyond 64 bits"  '{"execute": "x-read-memory", "arguments": {"address": "0xffffffffffffffff", "size": 2}}' 'beyond 64 bits'
says "too much memory"        '{"execute": "x-read-memory", "arguments": {"address": 0, "size": 65537}}' 'out of range'
says "no hex"                 '{"execute": "x-write-memory", "arguments": {"address": 0, "data": "xyz"}}' 'pairs of hex digits'
says "writing to no memory"   '{"execute": "x-write-memory", "arguments": {"address": "0xd0000000", "data": "00"}}' '0xd0000000'
says "a heat of nothing"      '{"execute": "x-heat", "arguments": {"start": "0x1"}}' 'multiples of 4096'
says "too many cells"         '{"execute": "x-heat", "arguments": {"cells": 65537}}' 'out of range'
says "an unknown topic"       '{"execute": "x-subscribe", "arguments": {"topics": ["everything"]}}' "'topics' takes"
says "too often"              '{"execute": "x-subscribe", "arguments": {"topics": ["stats"], "interval-ms": 1}}' 'out of range'
says "a name with a bell"     '{"execute": "snapshot-save", "arguments": {"job-id": "a", "tag": "x\u0007"}}' 'at most 63 bytes'
says "a way out of the folder" '{"execute": "snapshot-load", "arguments": {"job-id": "a", "tag": "../../etc"}}' 'there is no snapshot ../../etc'
says "nobody at the power button" '{"execute": "system_powerdown"}' 'does not listen to the ACPI power button'
says "no files"               '{"execute": "pmemsave", "arguments": {"val": 0, "size": 1, "filename": "/tmp/x"}}' 'opens no files'
says "a step while running"   '{"execute": "x-step"}' 'stop the VM first'
says "NUL bytes"              '{"execute": "query-status", "id": "a\u0000b"}' 'JSON parse error'
check "ids come back"         test "$(qmp_raw '{"execute": "query-name", "id": {"a": [1, null]}}' | jq -c .id)" = '{"a":[1,null]}'

{ head -c 200000 /dev/zero | tr '\0' 'x'; printf '\n'; } >&"$qmp_in"
check "200 KB in a line: one error" test "$(qmp_reply | jq -r .error.desc)" = 'the line is longer than 64 KiB; it was skipped'
check "and the connection goes on" status_is running
{ head -c 40000 /dev/zero | tr '\0' '['; printf '\n'; } >&"$qmp_in"
check "40,000 brackets" eval "qmp_reply | jq -r .error.desc | grep -q 'JSON parse error'"
# Garbage from clients of its own; each connection is one more chance to crash.
for ((i = 0; i < 12; i++)); do
	head -c 30000 /dev/urandom | timeout 5 socat -u - "UNIX-CONNECT:$run/q/control" 2>/dev/null
done
check "noise on other connections" status_is running
printf '{"execute": "qmp_capabil' | timeout 5 socat -u - "UNIX-CONNECT:$run/q/control"
check "a client that dies in the middle of a line" status_is running
early=$(printf '{"execute": "query-status"}\n' | timeout 5 socat -t 2 - "UNIX-CONNECT:$run/q/control" | tail -1)
check "a command before the negotiation" eval "grep -q 'Expecting capabilities negotiation' <<<'${early//\'/}'"
many=$({ echo '{"execute": "qmp_capabilities"}'; for ((i = 0; i < 3000; i++)); do echo '{"execute": "query-name"}'; done; } |
	timeout 30 socat -t 10 - "UNIX-CONNECT:$run/q/control" | grep -c '"name":"q"')
check "3,000 commands in one go have 3,000 answers" test "$many" -eq 3000

# ---- a client that asks and never reads
rss() { awk '/VmRSS/ { print $2 }' "/proc/$pid/status"; }
before=$(rss)
mkfifo "$tap_dir/never"
{ echo '{"execute": "qmp_capabilities"}'; for ((i = 0; i < 2000; i++)); do
	echo '{"execute": "x-read-memory", "arguments": {"address": 0, "size": 65536}}'; done; } |
	timeout 20 socat - "UNIX-CONNECT:$run/q/control" >"$tap_dir/never" 2>/dev/null & asker=$!
exec {never}<"$tap_dir/never" # opened, never read
answers() { for ((i = 0; i < 20; i++)); do status_is running || return 1; done; }
check "others are answered meanwhile" answers
check "it costs no more than a bound" test $(($(rss) - before)) -lt 12000
exec {never}<&-; kill $asker 2>/dev/null; wait $asker 2>/dev/null

# ---- samples
: >"$events"
qmp x-subscribe '{"topics": ["stats", "registers", "heat", "memory-map"], "interval-ms": 20, "heat": {"cells": 64}}' >/dev/null
three() { event X_SAMPLE && [ "$(grep -c X_SAMPLE "$events")" -ge 3 ]; }
check "samples come" wait_for 10 three
sample=$(grep X_SAMPLE "$events" | grep memory-map | tail -1)
check "with registers, exits, cells and a map" test "$(jq -c '[(.data.cpus[0].registers.rip | startswith("0x")),
	(.data.cpus[0].exits["io-out"] | type), (.data.heat.data | length), (.data.heat.cells == 64), (.data["memory-map"][0].kind)]' <<<"$sample")" = '[true,"number",64,true,"ram"]'
check "dirty logging is on for it" eval "qmp x-query-vm | jq -r '.return.\"dirty-log\"' | grep -qv off"
qmp x-subscribe '{"topics": []}' >/dev/null
check "and off after it" test "$(qmp x-query-vm | jq -r '.return."dirty-log"')" = off
# One who subscribes and does not read gets no backlog of samples, and costs nothing.
mkfifo "$tap_dir/idle"
{ printf '%s\n' '{"execute": "qmp_capabilities"}' '{"execute": "x-subscribe", "arguments": {"topics": ["stats", "registers"], "interval-ms": 20}}'
	exec sleep 20; } | socat - "UNIX-CONNECT:$run/q/control" >"$tap_dir/idle" 2>/dev/null & sub=$!
exec {idle}<"$tap_dir/idle"
read -r -t 10 -u $idle greeting; read -r -t 10 -u $idle caps; read -r -t 10 -u $idle reply; read -r -t 10 -u $idle one
check "a subscriber has its first sample" eval "grep -q X_SAMPLE <<<'$one'"
kill -STOP $sub
exits() { qmp x-exits | jq '.return[0].exits.intr'; }
a=$(exits)
# Some may still fit into the pipe and the socket; then it must come to rest.
rest() { local x; x=$(exits); sleep 0.5; [ "$(exits)" = "$x" ]; }
check "when it stops reading, sampling stops" wait_for 20 rest
kill -CONT $sub; kill $sub; exec {idle}<&-; wait $sub 2>/dev/null

# ---- heat shows what is written
qmp x-heat '{"start": 0, "size": "0x4000000", "cells": 64}' >/dev/null
qmp x-write-memory '{"address": "0x2000000", "data": "00"}' >/dev/null
check "a write shows in its cell" test "$(qmp x-heat '{"start": 0, "size": "0x4000000", "cells": 64}' | jq -r .return.data | cut -c33)" = 1
check "and is gone in the next" test "$(qmp x-heat '{"start": 0, "size": "0x4000000", "cells": 64}' | jq -r .return.data | cut -c33)" = 0
qmp calc-dirty-rate '{"calc-time": 1}' >/dev/null
check "a dirty rate is measured" wait_for 10 eval "qmp query-dirty-rate | jq -r .return.status | grep -qx measured"

# ---- stepping
qmp stop >/dev/null
# The shell waits in HLT: no interrupt comes while it is paused, and nobody else waits with it.
began=$(date +%s%N); step=$(qmp x-step)
check "a step of a sleeping vCPU says so, soon" test $(( ($(date +%s%N) - began) / 1000000 )) -lt 1500
check "and why" eval "jq -r '.error.desc // .return.registers.rip' <<<'${step//\'/}' | grep -qE 'waits for an interrupt|^0x'"
check "memory reads as the guest has it" test "$(qmp x-read-memory '{"address": "0x100004", "size": 4}' | jq -r .return.data)" = 08000000
check "what is not memory is dots" test "$(qmp x-read-memory '{"address": "0x3ffffff", "size": 2}' | jq -r .return.data | tail -c 3)" = '..'
qmp cont >/dev/null

# ---- the sandbox
state() { awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/status"; }
check "x-query-vm says sandboxed" test "$(qmp x-query-vm | jq .return.sandbox)" = true
threads=0 open=0
for t in /proc/$pid/task/*; do
	threads=$((threads + 1))
	[ "$(awk '$1 == "Seccomp:" { print $2 }' "$t/status")-$(awk '$1 == "NoNewPrivs:" { print $2 }' "$t/status")" = 2-1 ] || open=1
done
check "every thread ($threads) has a filter and no new privileges" test $open -eq 0 -a $threads -ge 2
broker=$(pgrep -P "$pid")
check "so has the broker" test "$(state "$broker" Seccomp)-$(state "$broker" NoNewPrivs)" = 2-1
check "the broker holds two folders, a socket and /dev/null" test "$(ls -l "/proc/$broker/fd" | grep -c -- '->')" -le 6
check "no core file would hold the guest's memory" test "$(awk '/Max core/ { print $5 }' "/proc/$pid/limits")" = 0
start bare --kernel guest:shell --memory 64M --no-sandbox
check "--no-sandbox" test "$(state "$(pid_of bare)" Seccomp)" = 0
qmp quit >/dev/null; qmp_close; con_close; qmp_open bare
check "it says so" test "$(qmp x-query-vm | jq .return.sandbox)" = false
qmp quit >/dev/null; qmp_close
start ring --kernel guest:shell --memory 64M --dirty-ring 4096 2>/dev/null && qmp_open ring && {
	qmp x-heat '{"cells": 4}' >/dev/null
	check "--dirty-ring" test "$(qmp x-query-vm | jq -r '.return."dirty-log"')" = ring
	qmp quit >/dev/null; qmp_close; }
finish
