#!/usr/bin/env bash
# vmhost_net.sh - networks of vitrine-vm as a user meets them: what is wrong is said at start with what to do, ports
# are open while the VM lives and free afterwards, a tap carries frames' link, processes come and go with their VM.
. "$(dirname "$0")/../lib/tap.sh"
. "$tests/lib/vmhost.sh"

says() { # says TEXT OPTIONS... : the start fails, and this is in what it says
	local text=$1; shift
	if start x --kernel guest:shell "$@"; then note "it started"; kill "$(pid_of x)"; return 1; fi
	grep -qF -- "$text" "$tap_dir/start.err" || { note "$(cat "$tap_dir/start.err")"; return 1; }
}
network() { qmp x-network | jq -e "$1" >/dev/null; }


# A port that is taken for as long as this script lives.
for busy in $(seq 23456 23556); do
	socat -u "TCP-LISTEN:$busy,bind=127.0.0.1,fork" /dev/null 2>/dev/null & holder=$!
	holds() { ! kill -0 $holder 2>/dev/null || socat -u /dev/null "TCP:127.0.0.1:$busy" 2>/dev/null; }
	wait_for 10 holds; kill -0 $holder 2>/dev/null && break
done
free=$((busy + 1))
while socat -u /dev/null "TCP:127.0.0.1:$free" 2>/dev/null; do free=$((free + 1)); done

check "a busy port" says "this host's port $busy: Address already in use; another program" --net "user,forward=tcp:$busy:22"
check "no port" says 'a port is a number from 1 to 65535' --net user,forward=tcp:99999:22
check "no forward" says 'write tcp:HOSTPORT:GUESTPORT' --net user,forward=2222
check "an address of another host" says 'not one of this host' --net "user,forward=tcp:192.0.2.1:$free:22"
check "the same port twice" says 'is forwarded twice' --net "user,forward=tcp:$free:22,forward=tcp:$free:23"
check "a wrong address of the card" says 'write six pairs of hex digits' --net user,mac=12:34
check "a forward of an IPv6 address without IPv6" says 'write ipv6 = true' --net "user,forward=tcp:[::1]:$free:22,ipv6=no"
check "an IPv6 address of another host" says 'ip -6 addr lists them' --net "user,forward=tcp:[2001:db8::1]:$free:22"
check "a tap without a name" says 'ifname = "tap0"' --net tap
check "a tap that is not there" says 'ip tuntap add dev vtnotap mode tap user $USER' --net tap,ifname=vtnotap
check "an interface that is no tap" says 'no tap' --net tap,ifname=lo
check "a type that is none" says 'none of user|tap' --net bridge

check "user networking starts" start n --kernel guest:shell --net "user,forward=tcp:$free:22" --net user
check "the port is open" socat -u /dev/null "TCP:127.0.0.1:$free"
qmp_open n
check "x-network says what there is" network '.return | length == 2 and .[0].type == "user" and .[0].link and
	.[1].id == "net1" and .[0].mac != .[1].mac and (.[0].forwards | length) == 1'
check "x-devices has the cards" test "$(qmp x-devices | jq -r '[.return[] | select(.type == 1) | .where] | join(" ")')" = "pci 00:0d.0 pci 00:0e.0"
check "and says where they lead" test "$(qmp x-devices | jq -r '.return[] | select(.id == "net0").backend')" = \
	"user network; the guest is not heard of yet; forwards tcp:127.0.0.1:$free:22"
check "the cable can be pulled" test "$(qmp set_link '{"name": "net0", "up": false}' | jq -c .return)" = "{}"
check "and it is" network '.return[0].link | not'

pid=$(pid_of n)
below() { local p; for p in $2; do pgrep -x "$1" -P "$p"; done; } # NAME PIDS
guards() { below vitrine-guard "$pid"; }
keepers() { below vitrine-net "$(guards)"; }
slirps() { below vitrine-slirp "$(keepers)"; }
check "three processes a card" test "$(guards | wc -l)" -eq 2 -a "$(keepers | wc -l)" -eq 2 -a "$(slirps | wc -l)" -eq 2
kill -KILL "$(slirps | tail -n 1)"
restarted() { network '[.return[].restarts] | add == 1'; }
check "one that is killed is replaced" wait_for 20 restarted
told() { event X_NETWORK; }
check "that is an event" wait_for 10 told
check "and in the log" grep -q "net1: the network's process has gone: killed by signal 9" "$run/n/log"
# the first card's, which has a port of the host: it is open again afterwards
kill -KILL "$(keepers | head -n 1)"
check "a keeper that is killed is replaced" wait_for 20 network '.return[0].restarts == 1'
check "and says so" grep -q "net0: the network's process has gone: its keeper: killed by signal 9" "$run/n/log"
check "its port is open again" socat -u /dev/null "TCP:127.0.0.1:$free"
qmp set_link '{"name": "net0", "up": true}' >/dev/null
check "its link is up" network '.return[0].link'
check "with as many processes as before" test "$(guards | wc -l)" -eq 2 -a "$(keepers | wc -l)" -eq 2 -a "$(slirps | wc -l)" -eq 2
# guard, keeper and process of the second card: nobody is left to make others
all=$(guards | tail -n 1; keepers | tail -n 1; slirps | tail -n 1)
kill -KILL $all
lost() { network '.return[1].link | not'; }
check "without all of them there is no link" wait_for 20 lost
plugged() { qmp set_link '{"name": "net1", "up": true}' | jq -re .error.desc | grep -qF "$1"; }
check "and plugging the cable in says what to do" plugged "take a snapshot and start the VM from it"
check "the other card works" network '.return[0].link'
check "and the VM goes on" status_is running
check "a snapshot with cards" test "$(job snapshot-save s1)" = ok
check "and back" test "$(job snapshot-load s1)" = ok
qmp_close

all=$(guards; keepers; slirps)
kill -KILL "$pid"
none_left() { local p; for p in $all; do kill -0 "$p" 2>/dev/null && return 1; done; return 0; }
check "a killed VM leaves no process behind" wait_for 20 none_left
check "and its port is free again" start n --kernel guest:shell --net "user,forward=tcp:$free:22"
kill "$(pid_of n)"

# ---- a tap, where one can be made
tap=vttap$$; tap=${tap:0:15}
if command -v ip >/dev/null && ip tuntap add dev "$tap" mode tap 2>/dev/null; then
	trap 'ip link del "$tap" 2>/dev/null; tap_cleanup' EXIT
	ip link set "$tap" up
	check "a tap starts" start t --kernel guest:shell --net "tap,ifname=$tap"
	qmp_open t
	check "with its name" network ".return[0] | .type == \"tap\" and .ifname == \"$tap\""
	check "and its offloads" test "$(qmp x-devices | jq -r '.return[] | select(.id == "net0")["features-offered"]')" != ""
	qmp_close
	check "a busy tap" says "tap $tap is busy" --net "tap,ifname=$tap"
	kill "$(pid_of t)"
else
	skip "no tap can be made here (root and 'ip' are needed)" "a tap"
fi
finish
