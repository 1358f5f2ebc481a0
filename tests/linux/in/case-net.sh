#!/usr/bin/env bash
# case-net.sh - a stock Debian kernel on user networking: an address, ten MiB each way, a port forwarded, a
# network process that is killed, a pause, a snapshot.
# limit: 1000
. "$(dirname "$0")/lib.bash"

network() { qmp x-network | jq -e ".return[0] | $1" >/dev/null; }
sum() { md5sum "$1" | cut -d' ' -f1; }
has_sum() { [ -s "$1" ] && [ "$(sum "$1")" = "$2" ]; }
mib() { awk "BEGIN { printf \"%.1f MiB/s\", $(stat -c %s "$www/$2") / 1048576 / ($1 / 1000) }"; }
now() { echo $(($(date +%s%N) / 1000000)); }

www=$tap_dir/www; mkdir "$www"
dd if=/dev/urandom of="$www/ten" bs=1M count=10 2>/dev/null
dd if=/dev/urandom of="$www/one" bs=1M count=1 2>/dev/null
# What the guest reaches at 10.0.2.2: a web server, and one that takes files.
busybox httpd -f -p 127.0.0.1:8080 -h "$www" & disown
# Over IPv6 without wget: busybox's crashes at an IPv6 address.
socat -t 60 "TCP6-LISTEN:8082,bind=[::1],fork,reuseaddr" "SYSTEM:cat $www/one" & disown
socat -u "TCP-LISTEN:8081,bind=127.0.0.1,fork,reuseaddr" "SYSTEM:cat >$tap_dir/up.new; mv $tap_dir/up.new $tap_dir/up" &
disown
up cloud/vmlinux 2 --net user,forward=tcp:2222:22,forward=udp:5353:53 || finish
qmp_open l

check "an address by DHCP" asks 'until ip -4 addr show eth0 | grep -q inet; do usleep 100000; done; ip -4 addr show eth0' "inet 10.0.2.15/24"
check "and one by the router, over IPv6" asks 'until ip -6 addr show eth0 | grep -q fd76; do usleep 100000; done; ip -6 addr show eth0' "fd76:6974:726e:"
known() { network '.guest | length == 2 and .[0] == "10.0.2.15" and (.[1] | startswith("fd76:6974:726e:"))'; }
check "the MTU that the card names" asks 'cat /sys/class/net/eth0/mtu' "16384"
check "no warning of the driver" asks "dmesg -r | grep -E '^<[0-4]>.*(virtio_net|eth0)'; echo warned=\$?." "warned=1."
check "the router answers" asks 'echo pongs=$(ping -c 2 -W 5 10.0.2.2 | grep -c ttl=).' "pongs=2."

fetch() { # fetch FILE NAME: to the guest
	local t; t=$(now)
	check "$2" asks "rm -f /tmp/$1; wget -q -O /tmp/$1 http://10.0.2.2:8080/$1; md5sum /tmp/$1" "$(sum "$www/$1")" hvc0 300 &&
		note "to the guest: $(mib $(($(now) - t)) "$1")"
}
give() { # give FILE NAME: and back
	local t; t=$(now); rm -f "$tap_dir/up"
	vitrine send -q l "nc 10.0.2.2 8081 </tmp/$1"
	check "$2" wait_for 400 has_sum "$tap_dir/up" "$(sum "$www/$1")"
	note "from the guest: $(mib $(($(now) - t)) "$1")"
}
check "over IPv6 it reaches the host's ::1" asks 'nc fd76:6974:726e::2 8082 </dev/null | md5sum' "$(sum "$www/one")" hvc0 150
check "both addresses are known" wait_for 10 known
check "what cannot be reached over IPv6 is said at once" asks 'nc 2001:db8::1 80 </dev/null' "Network is unreachable" hvc0 60
fetch ten "ten MiB to the guest, all there"
give ten "ten MiB from the guest, all there"
check "both are counted" network '.received.bytes > 10000000 and .sent.bytes > 10000000 and .received.dropped == 0'
note "$(qmp x-network | jq -c '.return[0] | {received, sent}')"
note "$(qmp x-devices | jq -c '.return[] | select(.id == "net0") | .queues[] | {used, kicks, interrupts}')"

# forwards: a port of the host that leads into the guest
vitrine send -q l 'while true; do echo hello-from-guest | nc -l -p 22 >/dev/null; done &'
reached() { [ "$(socat -T 5 -u TCP:127.0.0.1:2222 - 2>/dev/null)" = hello-from-guest ]; }
check "a forwarded port leads to the guest" wait_for 60 reached

# the process with libslirp in it dies: the guest sees its cable pulled and plugged, and goes on
killed=$(pgrep -x vitrine-slirp)
kill -SEGV "$killed"
restarted() { network '.restarts == 1 and .link'; }
check "a killed network is made anew" wait_for 30 restarted
check "with an event" event X_NETWORK
check "the guest's link is up" asks 'echo up=$(cat /sys/class/net/eth0/carrier).' "up=1."
fetch one "what the guest fetches after that is all there"

# time stands still for a while, in the middle of a transfer
vitrine send -q l "wget -q -O - http://10.0.2.2:8080/one | md5sum >/tmp/sum &"
qmp stop >/dev/null
packets() { qmp x-network | jq -c '.return[0] | [.received.packets, .sent.packets]'; }
before=$(packets)
sleep 1 # nothing is waited for: nothing may happen
check "a paused guest gets no packet" [ "$(packets)" = "$before" ]
qmp cont >/dev/null
check "the transfer ends well" asks 'wait %2; cat /tmp/sum' "$(sum "$www/one")" hvc0 120

check "a snapshot" [ "$(job snapshot-save s1)" = ok ]
asks 'echo later=$((1 + 1)).' "later=2."
check "is loaded" [ "$(job snapshot-load s1)" = ok ]
check "the guest goes on with its address" asks 'ip -4 addr show eth0' "inet 10.0.2.15/24"
fetch one "what it fetches after loading"
give one "and sends"
check "the forwarded port leads to it again" wait_for 60 reached
check "no packet was lost on the way" network '.received.dropped == 0'
check "the guest ends" down
no_slirp() { ! pgrep -x vitrine-slirp >/dev/null && ! pgrep -x vitrine-net >/dev/null; }
check "its processes end with it" wait_for 30 no_slirp
finish
