#!/usr/bin/env bash
# libvmcore.so exports the public vmc_ functions and nothing else; every public function is there.
. "$(dirname "$0")/../lib/tap.sh"
lib=$build/.libs/libvmcore.so
if [ ! -e "$lib" ]; then skip "no shared library in this build" "exports"; finish; fi
names=$(nm -D --defined-only "$lib" | awk '{print $3}' | grep -vE '^(_init|_fini|__bss_start|_edata|_end)$')
others=$(grep -v '^vmc_' <<<"$names")
if [ -z "$others" ]; then ok "only vmc_ symbols"; else not_ok "only vmc_ symbols"; note "$others"; fi
missing=
for f in $(cat "$tests"/../vmcore/include/vmcore/*.h | tr '\n' ' ' | grep -oE 'VMC_API[^;(]*\(' | grep -oE 'vmc_[a-z0-9_]+\($' | tr -d '('); do
	grep -qx "$f" <<<"$names" || missing+="$f "
done
if [ -z "$missing" ]; then ok "every declared function is exported"; else not_ok "every declared function is exported"; note "missing: $missing"; fi

# Somebody else's program: the headers compile by themselves, the library links by itself.
cat >"$tap_dir/t.c" <<'C'
#include <vmcore/vmcore.h>
#include <vmcore/client.h>
#include <stdio.h>
int main(void) { puts(vmc_state_name(VMC_PAUSED)); return !vmc_name_ok("a"); }
C
check "a program links against libvmcore alone" ${CC:-cc} -Wall -Werror -I"$tests/../vmcore/include" -o "$tap_dir/t" "$tap_dir/t.c" -L"$build/.libs" -lvmcore
if LD_LIBRARY_PATH=$build/.libs "$tap_dir/t" | grep -qx paused; then ok "and runs"; else not_ok "and runs"; fi
finish
