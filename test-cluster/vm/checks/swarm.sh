# host
# A swarm of two machines: networks between kernels of their own, the mesh, encryption by the kernel's WireGuard, SCTP, firewalls, a crash.
m1() { on m1 "$@" </dev/null; }
m2() { on m2 "$@" </dev/null; }
both() { m1 "$@" && m2 "$@"; }
docker_on() { local vm=$1; shift; on "$vm" docker -H unix:///run/swarmts/swarmts.sock "$@" </dev/null; }
docker() { docker_on m1 "$@"; }
# Namespaces stand for machines beside the nodes: out1 is reached through m1's card, out2 through m2's.
out1() { m1 ip netns exec out "$@"; }
out2() { m2 ip netns exec out "$@"; }
outside_of() {
  on "$1" bash -e -s "$2" <<'SCRIPT'
card=$(ip -br link | awk '/52:54:00:00:01/ { print $1 }')
ip addr replace "fd77::$1/64" dev "$card" nodad
ip netns del out 2>/dev/null || true
ip netns add out
ip link add out0 link "$card" netns out type macvlan mode bridge
ip -n out addr add "10.77.0.10$1/24" dev out0
ip -n out addr add "fd77::10$1/64" dev out0 nodad
ip -n out link set lo up
ip -n out link set out0 up
SCRIPT
}
url() { echo "http://$1/cgi-bin/index.cgi"; }
# visits WHO ADDRESS:PORT CLIENT: an answer, to a request that came from CLIENT.
visits() { expect_match "answer of $2 to $1" "RemoteAddr: \[?(::ffff:)?$3\]?"$'\n' "$("$1" curl -gsS -m 8 "$(url "$2")")"$'\n'; }

ready() { expect nodes 'Ready Ready' "$(docker node ls --format '"{{.Status}}"' | xargs)"; }
swarm() {
  local token
  m1 swarmts init --advertise-addr 10.77.0.1 >/dev/null && token=$(m1 swarmts swarm join-token -q worker) &&
    m2 swarmts join --advertise-addr 10.77.0.2 --token "$token" 10.77.0.1:2377 && eventually 120 ready
}
# runs SERVICE COUNT
runs() { expect "replicas of $1" "$2/$2" "$(docker service ls --filter "name=$1" --format '"{{.Name}} {{.Replicas}}"' | awk -v n="$1" '$1 == n { print $2 }')"; }
services() {
  docker network create -d overlay --attachable net
  docker service create -q -d --name web --mode global --network net --publish 8080:80 whoami
  docker service create -q -d --name on-m1 --constraint node.hostname==m1 --publish 8081:80 whoami
  docker service create -q -d --name on-m2 --constraint node.hostname==m2 --publish 8082:80 whoami
  docker run -d --name probe --network net busybox sleep 100000
  eventually 300 runs web 2 && eventually 300 runs on-m1 1 && eventually 300 runs on-m2 1
}
addresses() { docker exec probe nslookup "$1" 127.0.0.11 | awk '/^Address/ && !/127.0.0.11/ { n++ } END { print n + 0 }'; }
names() { expect 'addresses of tasks.web' 2 "$(addresses tasks.web)" && expect 'addresses of web' 1 "$(addresses web)"; }
hosts_of() { docker exec probe sh -c "'for i in \$(seq 30); do wget -qO- $(url "$1"); done'" | grep Hostname | sort -u | wc -l; }
balances() { expect 'tasks that answer' 2 "$(hosts_of "$1")"; }
client_addresses() {
  visits out1 10.77.0.2:8082 10.77.0.101 && visits out1 10.77.0.2:8081 10.77.0.101 &&
    visits out2 10.77.0.1:8081 10.77.0.102 && visits out2 10.77.0.1:8082 10.77.0.102
}
client_addresses_v6() { visits out1 '[fd77::2]:8081' fd77::101 && visits out2 '[fd77::1]:8082' fd77::102; }
own_addresses() { visits m1 10.77.0.1:8082 10.77.0.1 && visits m2 10.77.0.1:8082 10.77.0.2 && m1 curl -sSf -m 8 "$(url 127.0.0.1:8082)"; }
unpublished() { refused out2 curl -sS -m 3 http://10.77.0.1:80/; }
# Cards that leave checksums and segments to the host are where tunnels go wrong.
large() {
  local task want
  task=$(docker_on m2 ps -qf name=on-m2) && want=$(docker_on m2 exec "$task" sh -c "'head -c 8000000 /dev/urandom >/www/big; md5sum </www/big'") &&
    expect 'through the mesh' "$want" "$(m2 'ip netns exec out curl -sS -m 60 http://10.77.0.1:8082/big | md5sum')"
}
outbound() { docker exec probe timeout 8 wget -qO- "$(url 10.77.0.2:8082)"; }
plain_port() { docker run -d --name plain -p 8090:80 whoami && eventually 60 visits out2 10.77.0.1:8090 10.77.0.102 && visits m1 10.77.0.1:8090 10.77.0.1; }

# The image has no program for SCTP: those of the machine are mounted.
sctp_mounts=(--mount type=bind,src=/usr,dst=/usr,ro --mount type=bind,src=/usr/lib,dst=/lib,ro --mount type=bind,src=/usr/lib64,dst=/lib64,ro)
sctp_service() {
  docker service create -q -d --name sctp --constraint node.hostname==m2 --network net --publish published=9000,target=9000,protocol=sctp \
    "${sctp_mounts[@]}" busybox /usr/bin/ncat --sctp -lk 9000 -c "'echo from \$NCAT_REMOTE_ADDR'" && eventually 300 runs sctp 1 &&
    docker run -d --name sctp-probe --network net "${sctp_mounts[@]}" busybox sleep 100000
}
sctp_vip() { expect_match answer '^from [0-9.]+$' "$(docker exec sctp-probe /usr/bin/ncat --sctp --recv-only -w 5 sctp 9000)"; }
sctp_mesh() { expect answer 'from 10.77.0.102' "$(out2 ncat --sctp --recv-only -w 5 10.77.0.1 9000)"; }

kernel_tunnel() { m1 nsenter --net=/run/swarmts/routers/tunnels ip -d link | grep -q wireguard && refused m1 pgrep wireguard-go; }
vault() {
  docker network create -d overlay --opt encrypted --attachable vault && docker service create -q -d --name secret --network vault --constraint node.hostname==m2 whoami &&
    docker run -d --name vault-probe --network vault busybox sleep 100000 && eventually 300 runs secret 1 && eventually 90 asks_secret
}
asks_secret() { docker exec vault-probe timeout 8 wget -qO- "http://secret/cgi-bin/index.cgi?clear-words" | grep -q clear-words; }
nothing_clear() {
  local card captured
  card=$(m2 ip -br link | awk '/52:54:00:00:01/ { print $1 }')
  m2 "systemd-run -q --collect --unit capture tcpdump -U -i $card -w /tmp/capture.pcap udp"
  sleep 5
  asks_secret && asks_secret
  local status=$?
  m2 systemctl stop capture
  captured=$(m2 'grep -ac clear-words /tmp/capture.pcap; tcpdump -nr /tmp/capture.pcap udp port 4789 2>/dev/null | wc -l; tcpdump -nr /tmp/capture.pcap udp port 4791 2>/dev/null | wc -l' | xargs)
  expect_match 'clear words, frames of VXLAN, packets of the tunnel' '^0 0 [1-9][0-9]*$' "$captured" && return $status
}

mesh_works() { visits out2 10.77.0.1:8082 10.77.0.102 && visits out1 '[fd77::2]:8081' fd77::101 && visits out2 10.77.0.1:8090 10.77.0.102 && outbound; }
iptables_drop() { both 'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP' && eventually 60 mesh_works; }
# As many a machine has it: accepting, with a last rule that rejects.
iptables_reject() { both 'for t in iptables ip6tables; do $t -F FORWARD; $t -P FORWARD ACCEPT; $t -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; $t -A FORWARD -j REJECT; done' && eventually 60 mesh_works; }
nft_drop() { both 'nft add table inet site; nft add chain inet site forward "{ type filter hook forward priority 0; policy drop; }"' && eventually 60 mesh_works; }
# As firewalld does: what no rule has let through is rejected by the last one.
nft_reject() { both 'nft delete table inet site; nft add table inet zones; nft add chain inet zones forward "{ type filter hook forward priority 10; }"; nft add rule inet zones forward ct state established accept; nft add rule inet zones forward reject with icmpx admin-prohibited' && eventually 60 mesh_works; }
flushed() { both nft flush ruleset && eventually 60 mesh_works; }

crash_of_worker() { crash m2 && eventually 400 ready && eventually 300 runs web 2 && outside_of m2 2 && eventually 90 visits out1 10.77.0.2:8081 10.77.0.101; }
crash_of_manager() { crash m1 && eventually 400 ready && eventually 300 runs web 2 && outside_of m1 1 && eventually 90 visits out2 10.77.0.1:8081 10.77.0.102; }
leaves() {
  docker service rm web on-m1 on-m2 sctp secret
  both 'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP'
  for vm in m1 m2; do on "$vm" 'docker -H unix:///run/swarmts/swarmts.sock ps -aq | xargs -r docker -H unix:///run/swarmts/swarmts.sock rm -f' </dev/null; done
  m2 swarmts leave && m1 swarmts leave --force && eventually 90 nothing_left
}
nothing_left() {
  expect 'rules in foreign chains' '' "$(m1 'nft list ruleset | grep "comment \"swarmts"')" && expect 'links' '' "$(m1 'ip -br link | grep -i vxlan')"
}

check 'machines beside the nodes' eval 'outside_of m1 1 && outside_of m2 2'
check 'two machines are a swarm' swarm
check 'services and networks' services
check 'names' eventually 90 names
check 'a virtual address reaches both machines' eventually 90 balances web
check "published ports keep the client's address, on the node and through the other" eventually 90 client_addresses
check 'over IPv6, too' eventually 90 client_addresses_v6
check 'from the nodes themselves' own_addresses
check 'ports that are not published are closed' unpublished
check 'large answers arrive whole' large
check 'containers reach what is outside' eventually 90 outbound
check 'a port of a plain container' plain_port
check 'SCTP: a service' sctp_service
check 'SCTP by its virtual address' eventually 90 sctp_vip
check "SCTP through the mesh, with the client's address" eventually 90 sctp_mesh
check 'an encrypted network' vault
check "it is the kernel's WireGuard" kernel_tunnel
check 'the wire shows no clear byte' nothing_clear
check 'iptables with FORWARD DROP' iptables_drop
check 'iptables with a last rule that rejects' iptables_reject
check 'a table of nftables that drops' nft_drop
check 'one that rejects by its last rule' nft_reject
check 'after nft flush ruleset' flushed
check 'a worker loses its power' crash_of_worker
check 'the manager loses its power' crash_of_manager
check 'leaving takes everything away' leaves
