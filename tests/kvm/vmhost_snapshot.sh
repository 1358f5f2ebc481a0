#!/usr/bin/env bash
# vmhost_snapshot.sh - snapshots: there and back, damaged ones, foreign ones, full disks, kills in between.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vmhost.sh"
snaps=$XDG_STATE_HOME/vitrine/s/snapshots

start s --kernel guest:shell --memory 64M || { not_ok "starts: $(cat "$tap_dir/start.err")"; finish; }
con_open s; qmp_open s
wait_for 10 shows 'shell>'
id_of() { qmp snapshot-list | jq -r ".return[] | select(.name == \"$1\") | .id"; }
field() { qmp snapshot-list | jq -r ".return[] | select(.name == \"$1\") | .$2"; }
byte() { qmp x-read-memory "{\"address\": \"$1\", \"size\": 1}" | jq -r .return.data; }
poke() { qmp x-write-memory "{\"address\": \"$1\", \"data\": \"$2\"}" >/dev/null; }
mark=0x3000000 # in RAM, used by nothing
goes_on() { : >"$con"; say s $'peek '"$1"$'\r'; wait_for 15 shows "peek $1"; }

# ---- there and back
poke $mark a1
check "the guest works" goes_on 0x100010
check "save" test "$(job snapshot-save first)" = ok
first=$(id_of first)
check "it is listed, without a problem" test "$(field first problem)-$(field first current)" = -true
check "its folder is the user's alone" test "$(stat -c %a "$snaps/$first")" = 700
check "memory is sparse" test "$(du -k "$snaps/$first/memory" | cut -f1)" -lt 8192
check "the guest went on" status_is running
poke $mark b2
check "and works" goes_on 0x100020
check "a second save has the first as its parent" test "$(job snapshot-save second)-$(field second parent)" = "ok-$first"
check "a name twice is refused" test "$(job snapshot-save first)" = "there is a snapshot first already; delete it, or use another name"
: >"$con"
check "load" test "$(job snapshot-load first)" = ok
check "memory is as it was" test "$(byte $mark)" = a1
check "the guest runs again" status_is running
check "attached clients get a reset and the old screen" wait_for 5 shows $'\x1bc'
check "with what was on it" wait_for 5 shows 'peek 0x100010'
check "and nothing that came later" eval '! shows "peek 0x100020"'
check "the loaded guest works" goes_on 0x100030
check "load the other by its id" test "$(job snapshot-load "$(id_of second)")" = ok
check "memory is that one's" test "$(byte $mark)" = b2
check "it works" goes_on 0x100040
check "a save of a loaded VM" test "$(job snapshot-save third)-$(field third parent)" = "ok-$(id_of second)"
check "loads too" test "$(job snapshot-load third)" = ok
check "with the memory behind the mapping" test "$(byte $mark)" = b2
check "and works" goes_on 0x100050
for i in 1 2 3 4 5; do job snapshot-load first; job snapshot-load second; done >"$tap_dir/loads"
check "there and back ten times" test "$(sort "$tap_dir/loads" | uniq -c | tr -s ' ')" = ' 10 ok'
check "and it still works" goes_on 0x100060

# ---- paused
qmp stop >/dev/null
check "a paused VM can be saved" test "$(job snapshot-save still)" = ok
check "and stays paused" status_is paused
check "load, to look only" test "$(job snapshot-load first '"paused": true')" = ok
check "stays paused" status_is paused
regs=$(qmp x-registers | jq -c .return)
job snapshot-load second >/dev/null
job snapshot-load first '"paused": true' >/dev/null
check "the registers are the same each time" test "$(qmp x-registers | jq -c .return)" = "$regs"
qmp cont >/dev/null
check "one taken while paused is paused" test "$(job snapshot-load still)-$(status)" = ok-paused
qmp cont >/dev/null
check "and goes on" goes_on 0x100070

# ---- while it is being saved, nothing changes it
qmp stop >/dev/null
printf '%s\n' '{"execute": "snapshot-save", "arguments": {"job-id": "now", "tag": "held"}}' '{"execute": "x-step"}' \
	'{"execute": "x-write-memory", "arguments": {"address": "0x3000000", "data": "ff"}}' >&"$qmp_in"
held() { jq -r '.error.desc // ""' <<<"$(qmp_reply)"; }
qmp_reply >/dev/null; step=$(held); write=$(held)
check "no step during a save" test "$step" = "snapshot-save now holds the VM; wait for it, or job-cancel it"
check "no write into its memory" test "$write" = "$step"
check "the save goes well" test "$(job_wait now)" = ok
check "then it can be written" test "$(qmp x-write-memory '{"address": "0x3000000", "data": "c3"}' | jq -c .return)" = "{}"
qmp cont >/dev/null

# ---- the screen of this VM is not the snapshot's
qmp x-console-resize '{"cols": 100, "rows": 30}' >/dev/null
job snapshot-load first >/dev/null
check "a load leaves the console its size" test "$(qmp x-query-vm | jq -c '.return | [.cols, .rows]')" = '[100,30]'

# ---- damaged
orig=$snaps/$first keep=$tap_dir/keep; cp -a --sparse=always "$orig" "$keep"
flip() { # flip FILE OFFSET: one bit
	local b; b=$(od -An -tu1 -j "$2" -N1 "$1"); printf "\\x$(printf %x $((b ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
bad() { # bad NAME WANT COMMAND...: damages, loads, expects the words, restores
	local name=$1 want=$2 got; shift 2
	poke $mark c3
	"$@"
	got=$(job snapshot-load "$first")
	case $got in *"$want"*) ok "$name" ;; *) not_ok "$name"; note "said: $got" ;; esac
	[ "$(byte $mark)$(status)" = c3running ] || not_ok "$name: the VM is not as it was"
	rm -rf "$orig"; cp -a --sparse=always "$keep" "$orig"
}
for f in manifest.json state console memory; do
	section=${f%.json}
	for cut in 0 1 100; do bad "$f cut to $cut bytes" "$first: $section: " truncate -s $cut "$orig/$f"; done
	bad "$f without its last byte" "$first: $section: " truncate -s -1 "$orig/$f"
	bad "$f one byte longer" "$first: $section: " truncate -s +1 "$orig/$f"
	bad "$f missing" "$first: $section: cannot be opened" rm "$orig/$f"
	size=$(stat -c %s "$orig/$f")
	for at in 10 $((size / 3)) $((size / 2)) $((size - 20)); do
		bad "$f with bit at $at flipped" "$first: $section: " flip "$orig/$f" $at
	done
done
check "memory names the chunk" eval "flip '$orig/memory' $((0x900000)); job snapshot-load $first | grep -q 'chunk 2 (guest memory from 0x800000'"
rm -rf "$orig"; cp -a --sparse=always "$keep" "$orig"
truncate -s 5 "$orig/state"
check "snapshot-list says what is wrong" eval "field first problem | grep -q '^state: has 5 bytes'"
rm -rf "$orig"; cp -a --sparse=always "$keep" "$orig"
mkfifo_manifest() { rm "$orig/manifest.json"; mkfifo "$orig/manifest.json"; }
bad "a pipe in a file's place" "manifest: cannot be opened" mkfifo_manifest
linked() { rm "$orig/state"; ln -s /etc/passwd "$orig/state"; }
bad "a link in a file's place" "state: cannot be opened" linked
check "the VM has not noticed" goes_on 0x100080
check "the mended one loads" test "$(job snapshot-load first)" = ok
check "no such snapshot" test "$(job snapshot-load nope)" = "there is no snapshot nope"

# ---- foreign
start big --kernel guest:shell --memory 128M
qmp_close; qmp_open big
check "another VM's snapshot" test "$(job snapshot-save big)" = ok
bid=$(id_of big)
start two --kernel guest:shell --memory 64M --vcpus 2; qmp quit >/dev/null; qmp_close; qmp_open two
job snapshot-save duo >/dev/null; tid=$(id_of duo); qmp quit >/dev/null; qmp_close; qmp_open s
cp -a "$XDG_STATE_HOME/vitrine/big/snapshots/$bid" "$XDG_STATE_HOME/vitrine/two/snapshots/$tid" "$snaps/"
check "more memory: refused" eval "job snapshot-load $bid | grep -q 'manifest: it is of a VM with 128 MiB of memory, this one has 64'"
check "more vCPUs: refused" eval "job snapshot-load $tid | grep -q 'manifest: it is of a VM with 2 vCPUs, this one has 1'"
check "the list says so before" eval "field duo problem | grep -q '2 vCPUs'"
check "the VM goes on" goes_on 0x100090

# ---- into a new VM
told() { qmp x-memory-map | jq -c '[.return[] | select(.kind == "e820") | [.name, .start, .size]]'; }
before=$(told)
check "into a new VM of another name" start fresh --load s/first
con_close; con_open fresh
check "with the console's history" wait_for 10 shows 'peek 0x100010'
: >"$con"; say fresh $'peek 0x1000a0\r'
check "and it works" wait_for 15 shows 'peek 0x1000a0'
qmp_close; qmp_open fresh
check "what its guest was told of its memory is in the map" test "$(told)" = "$before" -a "$before" != "[]"
check "its size is the snapshot's" test "$(qmp x-query-vm | jq -r .return.memory)" = 0x4000000
: >"$con"; qmp system_reset >/dev/null
check "it knows its kernel for a reset" wait_for 10 shows 'look at a virtual machine'
qmp quit >/dev/null; qmp_close; con_close
flip "$orig/state" 100
"$vm" --name broken --load "$orig" --ready-fd 3 3>"$tap_dir/ready"
check "a damaged one makes no VM" grep -q "^failed .*: state: does not match its checksum" "$tap_dir/ready"
rm -rf "$orig"; cp -a --sparse=always "$keep" "$orig"
con_open s; qmp_open s

# ---- delete
check "delete by name" test "$(job snapshot-delete third)" = ok
check "it is gone" test -z "$(id_of third)" -a -z "$(ls -A "$snaps" | grep -v '^2')"
check "twice is an error" test "$(job snapshot-delete third)" = "there is no snapshot third"

# ---- the disk is full
qmp quit >/dev/null; qmp_close; con_close; wait_for 5 test ! -e "$run/s/control"
( ulimit -f 2048; start s --kernel guest:shell --memory 64M ) # files of at most 2 MiB
con_open s; qmp_open s; wait_for 10 shows 'shell>'
n=$(qmp snapshot-list | jq '.return | length')
check "no room: the save fails and says why" eval "job snapshot-save full | grep -q 'File too large'"
check "nothing of it is left" test "$(ls -A "$snaps" | wc -l)-$(qmp snapshot-list | jq '.return | length')" = "$n-$n"
check "the VM goes on" goes_on 0x1000b0
qmp quit >/dev/null; qmp_close; con_close; wait_for 5 test ! -e "$run/s/control"
if mkdir "$tap_dir/tiny" && mount -t tmpfs -o size=1m none "$tap_dir/tiny" 2>/dev/null; then
	XDG_STATE_HOME=$tap_dir/tiny start s --kernel guest:shell --memory 64M
	con_open s; qmp_open s; wait_for 10 shows 'shell>'
	dd if=/dev/zero of="$tap_dir/tiny/fill" bs=4k status=none 2>/dev/null
	check "a full file system: the save fails and says why" eval "job snapshot-save full | grep -q 'No space left'"
	check "nothing of it is left" test -z "$(ls -A "$tap_dir/tiny/vitrine/s/snapshots")"
	rm "$tap_dir/tiny/fill"
	check "with room it works" test "$(job snapshot-save room)" = ok
	qmp quit >/dev/null; qmp_close; con_close; wait_for 5 test ! -e "$run/s/control"
	umount "$tap_dir/tiny"
else
	skip "mounting needs root" "a full file system"
fi

# ---- killed while saving
mkdir -p "$snaps/.new-left"; : >"$snaps/.new-left/memory"
whole=0
for delay in 0.001 0.003 0.006 0.01 0.02 0.04; do
	start s --kernel guest:shell --memory 64M; qmp_open s
	p=$(pid_of s); before=$(ls "$snaps" | sort)
	printf '%s\n' '{"execute": "snapshot-save", "arguments": {"job-id": "k", "tag": ""}}' >&"$qmp_in"
	sleep $delay; kill -9 "$p"; wait_for 10 gone "$p"; qmp_close
	start s --kernel guest:shell --memory 64M; qmp_open s
	after=$(qmp snapshot-list | jq -r '.return[] | select(.problem == "" or (.id == "'"$bid"'") or (.id == "'"$tid"'")) | .id' | sort)
	for id in $(comm -13 <(echo "$before") <(ls "$snaps" | sort)); do # a new one must be whole
		[ "$(job snapshot-load "$id")" = ok ] || { not_ok "killed after $delay s: half a snapshot $id"; whole=1; }
	done
	[ -z "$(comm -23 <(echo "$before") <(echo "$after"))" ] || { not_ok "killed after $delay s: an old snapshot was harmed"; whole=1; }
	[ -z "$(find "$snaps" -name '.*' -mindepth 1)" ] || { not_ok "killed after $delay s: leftovers"; whole=1; }
	qmp quit >/dev/null; qmp_close; wait_for 5 test ! -e "$run/s/control"
done
check "kill -9 during a save leaves the old or the new, and nothing else" test $whole -eq 0

# ---- off, and jobs
start off --kernel guest:shell --snapshots no; qmp_open off
check "--snapshots no" eval "job snapshot-save x | grep -q 'snapshots are off for this VM'"
check "and makes no folder" test ! -e "$XDG_STATE_HOME/vitrine/off"
qmp quit >/dev/null; qmp_close
start s --kernel guest:shell --memory 64M; qmp_open s
broker=$(pgrep -P "$(pid_of s)"); kill -STOP "$broker" # the job waits for its first file
n=$(ls -A "$snaps" | wc -l)
qmp snapshot-save '{"job-id": "one", "tag": ""}' >/dev/null
check "while it is saved, query-status says so" status_is save-vm
check "stop and cont are refused meanwhile" eval "qmp cont | jq -r .error.desc | grep -q 'snapshot-save one holds the VM'"
check "one job at a time" eval "qmp snapshot-save '{\"job-id\": \"two\", \"tag\": \"\"}' | jq -r .error.desc | grep -q 'one job at a time'"
qmp job-cancel '{"id": "one"}' >/dev/null
kill -CONT "$broker"
check "a job can be cancelled" eval "job_wait one | grep -q cancelled"
check "and leaves nothing" test "$(ls -A "$snaps" | wc -l)" = "$n"
check "the VM runs after it" status_is running
check "JOB_STATUS_CHANGE came" event JOB_STATUS_CHANGE
qmp quit >/dev/null; qmp_close
finish
