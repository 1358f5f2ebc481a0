#!/usr/bin/env bash
# The design's arrows: which folder may include what. Greps the includes, so it sees every file.
. "$(dirname "$0")/../lib/tap.sh"
src=$(cd "$tests/.." && pwd)
cd "$src" || exit 1

# includes PATTERN PATHS... : the lines under PATHS that include what PATTERN matches
includes() {
	local pattern=$1; shift
	grep -rnE --include='*.c' --include='*.h' --include='*.S' \
		"^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" "$@" 2>/dev/null
}
forbid() { # forbid NAME PATTERN PATHS... : nothing under PATHS includes it
	local name=$1 hits; shift
	hits=$(includes "$@")
	if [ -z "$hits" ]; then ok "$name"; else not_ok "$name"; note "$hits"; fi
}
forbid "ncurses only in tui/, not in tui/term/" '(ncursesw?/)?n?curses|panel\.h>|term\.h>' vmcore devices vmhost guests tui/term
forbid "vterm only in tui/term/" 'vterm' vmcore devices vmhost guests $(find tui -maxdepth 1 -name '*.[ch]')
forbid "linux/kvm.h only in vmcore/engine/" 'linux/kvm\.h|asm/kvm' vmcore/include vmcore/client devices vmhost tui guests
forbid "linux/vhost.h only in devices/vhost.c" 'linux/vhost' vmcore vmhost tui guests $(find devices -name '*.[ch]' ! -name vhost.c)
forbid "jansson only in vmhost/ and vmcore/client/" 'jansson' vmcore/include vmcore/engine devices tui guests
forbid "vmcore knows no device, VM process or screen" '(.*virtio|.*devices/|vmhost/|tui/)' vmcore
forbid "the engine knows no client" '.*client' vmcore/engine
forbid "devices know no VM process, client or screen" '(vmhost|tui)/|vmcore/client' devices
forbid "tui knows no engine, device or VM process" '(devices|vmhost|vmcore/engine)/|vmcore/(vmcore|mem|dirty|bus|irq|device|state|boot)\.h' tui
forbid "guests include nothing of the host" '(vmcore|devices|vmhost|tui)/' guests
# The check itself must be able to fail: planted includes are seen.
mkdir "$tap_dir/tree"
printf '#include <vterm.h>\n' >"$tap_dir/tree/x.c"
printf '  # include "devices/pci.h"\n' >"$tap_dir/tree/y.h"
check "a planted include is seen" test -n "$(includes vterm "$tap_dir/tree")"
check "so is one in a header, spaced out" test -n "$(includes 'devices/' "$tap_dir/tree")"
finish
