# tap.sh - for test scripts: TAP lines, waiting for conditions, a private place for VMs. Source it.
# A script gets the build folder as $1.
[ -z "${tap_dir:-}" ] || return 0 # sourced already
build=$(cd "${1:?usage: $0 BUILD_FOLDER}" && pwd)
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tap_n=0 tap_bad=0

ok()      { tap_n=$((tap_n + 1)); printf 'ok %d - %s\n' "$tap_n" "$*"; }
not_ok()  { tap_n=$((tap_n + 1)); tap_bad=1; printf 'not ok %d - %s\n' "$tap_n" "$*"; }
skip()    { tap_n=$((tap_n + 1)); printf 'ok %d - %s # SKIP %s\n' "$tap_n" "$2" "$1"; }
note()    { sed 's/^/# /' <<<"$*"; }
# check NAME COMMAND... : ok when the command succeeds
check()   { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name"; note "failed: $*"; fi; }
# wait_for SECONDS COMMAND... : until the command succeeds
wait_for() {
	local end=$(( $(date +%s%N) / 1000000 + $1 * 1000 )); shift
	until "$@"; do
		[ $(( $(date +%s%N) / 1000000 )) -ge "$end" ] && return 1
		sleep 0.05
	done
}
finish()  { printf '1..%d\n' "$tap_n"; exit "$tap_bad"; }

# Folders of its own, so that tests see no VM but their own and leave none behind.
tap_dir=$(mktemp -d "${TMPDIR:-/tmp}/vitrine-test.XXXXXX")
export XDG_RUNTIME_DIR=$tap_dir/run XDG_STATE_HOME=$tap_dir/state XDG_CONFIG_HOME=$tap_dir/config
mkdir -m 0700 "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME" "$XDG_CONFIG_HOME"
# Every process that was started with this script's folders ends with the script.
tap_cleanup() {
	local env pid
	for env in /proc/[0-9]*/environ; do
		pid=${env#/proc/}; pid=${pid%/environ}
		[ "$pid" -ne $$ ] && [ "$pid" -ne "$BASHPID" ] &&
			grep -qzF "XDG_RUNTIME_DIR=$tap_dir/" "$env" 2>/dev/null && kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$tap_dir"
}
trap tap_cleanup EXIT
