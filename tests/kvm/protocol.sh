#!/usr/bin/env bash
# Replays every example of docs/protocol.md against a running guest, and checks that no command is without one.
. "$(dirname "$0")/../lib/tap.sh"
doc=$tests/../docs/protocol.md
export PATH=$build:$PATH

# fits EXPECTED LINE: every member is there; "..." is anything; lists hold what is shown; [] is empty.
# One jq answers all questions: a line of two values in, true or false out.
coproc JQ { exec jq -Rc --unbuffered '
	def fits($w; $g):
		if $w == "..." then true
		elif ($w | type) != ($g | type) then false
		elif ($w | type) == "object" then all($w | keys[]; . as $k | ($g | has($k)) and fits($w[$k]; $g[$k]))
		elif $w == [] then $g == []
		elif ($w | type) == "array" then all($w[]; . as $e | any($g[]; fits($e; .)))
		else $w == $g end;
	(try fromjson catch null) as $p | if $p == null then "not JSON" else fits($p[0]; $p[1]) end'; }
exec 6<&"${JQ[0]}" 7>&"${JQ[1]}"
fits() {
	local answer
	printf '[%s, %s]\n' "$1" "$2" >&7
	IFS= read -r -t 10 -u 6 answer && [ "$answer" = true ]
}
not_fit() { ! fits "$@"; }
check "the comparison can say no" not_fit '{"a": [1, "..."]}' '{"a": [2, 3]}'
check "and yes" fits '{"a": [1, "..."]}' '{"a": [2, 1], "b": 3}'

if ! vitrine run --detach --name example --memory 64M --append hello --net user guest:shell >/dev/null; then
	not_ok "the guest starts"; finish
fi
# shell has come to its prompt: the replay begins at a quiet moment
check "the guest is at its prompt" vitrine send --expect 'shell>' --quiet example

# bash warns of a second coproc; both are ours and have descriptors of their own
{ coproc QMP { exec socat -t 5 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/example/control"; }; } 2>/dev/null
exec 4<&"${QMP[0]}" 5>&"${QMP[1]}"

# Lines that came and have not been asked for yet: events come when they like.
early=()
expect() { # expect JSON
	local i line
	for i in "${!early[@]}"; do
		if fits "$1" "${early[i]}"; then unset 'early[i]'; return 0; fi
	done
	while IFS= read -r -t 20 -u 4 line; do
		line=${line%$'\r'}
		fits "$1" "$line" && return 0
		# Events and replies may overtake each other, but a reply that is waited for must be the next one.
		case $line,$1 in
		'{"event"'*|*,'{"event"'*) early+=("$line") ;;
		*) note "wanted $1"; note "got    ${line:0:600}"; return 1 ;;
		esac
	done
	note "wanted $1"; note "got    nothing"; return 1
}

sent=greeting
bad=0
while IFS= read -r line; do
	case $line in
	'    -> '*)
		[ "$sent" = greeting ] || ok "replay: ${sent:0:90}"
		sent=${line#    -> }
		early=() # events from before belong to what was before
		printf '%s\n' "$sent" >&5 ;;
	'    <- '*)
		expect "${line#    <- }" || { not_ok "replay: $sent"; bad=1; break; } ;;
	esac
done < <(sed -n '/^## Examples/,$p' "$doc")
[ "$bad" -eq 0 ] && ok "replay: ${sent:0:90}"
exec 5>&- 4<&-
kill "$QMP_PID" 2>/dev/null; wait "$QMP_PID" 2>/dev/null

if [ "$bad" -eq 0 ]; then
	gone() { ! vitrine ls --quiet | grep -qx example; }
	check "after quit the VM is gone" wait_for 10 gone
fi

# Every command that the server knows has an example.
vitrine run --detach --name other guest:shell >/dev/null
known=$(printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"query-commands"}' |
	socat -t 2 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/vitrine/other/control" | jq -r 'select(.return | type == "array") | .return[].name')
missing=
for c in $known; do
	grep -q -- "-> {\"execute\": \"$c\"" "$doc" || missing="$missing $c"
done
if [ -n "$known" ] && [ -z "$missing" ]; then ok "every command has an example"
else not_ok "every command has an example"; note "without one:$missing"; fi
check "stop --force" vitrine stop --force other
kill "$JQ_PID"
wait 2>/dev/null
finish
