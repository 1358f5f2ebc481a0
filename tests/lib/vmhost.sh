# vmhost.sh - for scripts that test vitrine-vm by hand: one QMP connection, consoles, jobs. Source it after tap.sh.
vm=$build/vitrine-vm
run=$XDG_RUNTIME_DIR/vitrine

# start NAME OPTIONS... : up when it returns 0
start() { local name=$1; shift; "$vm" --name "$name" "$@" 2>"$tap_dir/start.err"; }
pid_of() { cat "$run/$1/lock"; }

# qmp_open NAME: one connection; qmp COMMAND [ARGUMENTS]: prints the reply; events are kept in $events
events=$tap_dir/events; : >"$events"
qmp_open() {
	rm -f "$tap_dir/qmp.in" "$tap_dir/qmp.out"; mkfifo "$tap_dir/qmp.in" "$tap_dir/qmp.out" || return 1
	socat -t 60 - "UNIX-CONNECT:$run/$1/control" <"$tap_dir/qmp.in" >"$tap_dir/qmp.out" 2>/dev/null &
	qmp_pid=$!
	exec {qmp_in}>"$tap_dir/qmp.in" {qmp_out}<"$tap_dir/qmp.out"
	local greeting; IFS= read -r -t 10 -u "$qmp_out" greeting || return 1
	qmp qmp_capabilities >/dev/null
}
qmp_close() { exec {qmp_in}>&- {qmp_out}<&-; kill "$qmp_pid" 2>/dev/null; wait "$qmp_pid" 2>/dev/null; }
# qmp_raw LINE: sends it, prints the next reply
qmp_raw() { printf '%s\n' "$1" >&"$qmp_in"; qmp_reply; }
qmp_reply() {
	local line
	while IFS= read -r -t 30 -u "$qmp_out" line; do
		case $line in
		'{"event"'*) printf '%s\n' "$line" >>"$events" ;;
		*) printf '%s\n' "$line"; return 0 ;;
		esac
	done
	return 1
}
qmp() {
	if [ -n "${2:-}" ]; then qmp_raw "{\"execute\": \"$1\", \"arguments\": $2}"
	else qmp_raw "{\"execute\": \"$1\"}"; fi
}
# event NAME: has it come? (asks something, so that what has been sent is read)
event() { qmp query-name >/dev/null && grep -q "\"event\":\"$1\"" "$events"; }
status() { qmp query-status | jq -r .return.status; }
status_is() { [ "$(status)" = "$1" ]; }

# job COMMAND TAG [MORE]: runs it to its end and prints what went wrong, or "ok"
job_n=0
job() {
	local id=job$((++job_n))$RANDOM reply more=${3:+, $3}
	reply=$(qmp "$1" "{\"job-id\": \"$id\", \"tag\": \"$2\"$more}")
	[ "$(jq -r '.return | type' <<<"$reply")" = object ] || { jq -r .error.desc <<<"$reply"; return 1; }
	job_wait "$id"
}
job_over() { [ "$(qmp query-jobs | jq -r ".return[] | select(.id == \"$1\") | .status")" = concluded ]; }
job_wait() {
	local error
	wait_for 60 job_over "$1" || { echo "the job does not end"; return 1; }
	error=$(qmp query-jobs | jq -r ".return[] | select(.id == \"$1\") | .error // \"\"")
	qmp job-dismiss "{\"id\": \"$1\"}" >/dev/null
	if [ -n "$error" ]; then printf '%s\n' "$error"; return 1; fi
	echo ok
}

# con_open NAME [SOCKET]: attaches; everything goes to $con; say TEXT types it
con=$tap_dir/con
con_open() {
	: >"$con"
	socat -u -b 65536 "UNIX-CONNECT:$run/$1/${2:-console}" "OPEN:$con,append" 2>/dev/null &
	con_pid=$!
}
con_close() { kill "$con_pid" 2>/dev/null; wait "$con_pid" 2>/dev/null; }
say() { printf '%s' "$2" | socat -u - "UNIX-CONNECT:$run/$1/console"; }
shows() { grep -qaF -- "$1" "$con"; }
# history NAME: what a new client gets at once
history_of() { timeout 3 socat -u -T 0.3 "UNIX-CONNECT:$run/$1/console" - 2>/dev/null; }
prompts() { history_of "$1" | grep -aoF 'shell>' | wc -l; }
# ask NAME TEXT WANT: type a line, wait for an answer on the open console
ask() { say "$1" "$2"$'\r'; wait_for "${4:-10}" shows "$3"; }
gone() { ! kill -0 "$1" 2>/dev/null; }
