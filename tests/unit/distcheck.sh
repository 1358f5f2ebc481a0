#!/usr/bin/env bash
# make distcheck: the tarball is complete, builds out of tree, installs and uninstalls. The suite
# itself does not run a second time inside it.
. "$(dirname "$0")/../lib/tap.sh"
if make -C "$build" -j"$(nproc)" distcheck VITRINE_NESTED_CHECK=1 V=0 >"$tap_dir/log" 2>&1; then
	ok "make distcheck"
else
	not_ok "make distcheck"; note "$(grep -vE '^(make|  [A-Z]+ )' "$tap_dir/log" | tail -n 30)"
fi
rm -rf "$build"/vitrine-*.tar.xz "$build"/vitrine-[0-9]*
finish
