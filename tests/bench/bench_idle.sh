#!/usr/bin/env bash
# bench_idle.sh BUILD - 16 idle VMs with the workstation open: CPU of everything, and memory beyond guest RAM.
. "$(dirname "$0")/../lib/tap.sh"
count=16 seconds=10
tck=$(getconf CLK_TCK)
for i in $(seq $count); do "$build/vitrine" run -d --name "idle$i" guest:shell >/dev/null || exit 1; done
tmux -L "bench$$" -f /dev/null new-session -d -x 160 -y 48 "$build/vitrine"
trap 'tmux -L "bench$$" kill-server 2>/dev/null; tap_cleanup' EXIT
wait_for 20 sh -c "tmux -L bench$$ capture-pane -p | grep -q idle9" || { echo "bench: the workstation shows nothing"; exit 1; }
sleep 3	# the first seconds of a screen are not its idle ones

pids() { for e in /proc/[0-9]*/environ; do grep -qzF "XDG_RUNTIME_DIR=$tap_dir/" "$e" 2>/dev/null && basename "$(dirname "$e")"; done; }
ticks() { # ticks NAME... : CPU ticks of the processes with these names
	local p s=0 f
	for p in $(pids); do
		f=$(cat "/proc/$p/stat" 2>/dev/null) || continue
		case " $* " in *" $(cat "/proc/$p/comm" 2>/dev/null) "*) set -- "$@"; f=${f##*) }; read -ra a <<<"$f"; s=$((s + a[11] + a[12])) ;; esac
	done
	echo "$s"
}
seconds=${BENCH_SECONDS:-$seconds}
v0=$(ticks vitrine vitrine-term) h0=$(ticks vitrine-vm)
sleep $seconds
v1=$(ticks vitrine vitrine-term) h1=$(ticks vitrine-vm)
awk -v v=$((v1 - v0)) -v h=$((h1 - h0)) -v t="$tck" -v s=$seconds -v n=$count 'BEGIN {
	printf "%d idle VMs, workstation open: VM processes %.2f %% of a core, workstation %.2f %% (aim: under 2 %% in all: %.2fx)\n",
		n, h * 100 / t / s, v * 100 / t / s, (h + v) * 100 / t / s / 2 }'

# PSS of each VM process less its guest RAM (the mapping that is as large as the guest's memory).
for p in $(pids); do
	[ "$(cat "/proc/$p/comm" 2>/dev/null)" = vitrine-vm ] || continue
	awk '/^Size:/{size = $2} /^Pss:/{pss += $2; if (size >= 32768) ram += $2} END {print pss - ram}' \
		"/proc/$p/smaps" 2>/dev/null
done | sort -n | awk '{v[NR] = $1; s += $1} END {if (NR) printf "PSS beyond guest RAM: %d processes, %.2f MiB a VM (aim: 4 MiB: %.2fx)\n", NR, s / 1024 / '$count', s / 1024 / '$count' / 4}'
