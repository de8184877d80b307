#!/usr/bin/env bash
# Sets everything up and shows the main job in a lab on this machine: three managers, two workers, a service with five
# replicas that survives the loss of a worker and of the leading manager. `--keep` leaves the lab up.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

keep=0
case "${1:-}" in
  '') ;;
  --keep) keep=1 ;;
  *) die "usage: $0 [--keep]" ;;
esac
need_root
need_node
install_packages "${node_packages[@]}" "${lab_packages[@]}"
build

lab() { "$root/test-cluster/lab" "$@" --name demo; }
# on NODE ARGUMENTS...: the swarmts command against that node's daemon.
on() { local node=$1; shift; SWARMTS_HOST="unix:///run/swarmts-lab/demo/$node/swarmts.sock" "$root/node_modules/.bin/swarmts" "$@"; }
show() { printf '\n$ swarmts %s\n' "${*:2}"; on "$@"; }

down() { local status=$?; if [ -e /run/swarmts-lab/demo/lab.json ]; then say 'Taking the lab down'; lab down; fi; exit "$status"; }
trap down EXIT
trap 'exit 130' INT TERM

# converge NODE COUNT: waits until so many replicas run.
converge() {
  local i
  for i in $(seq 300); do
    [ "$(on "$1" service ls --format '{{.Replicas}}' 2>/dev/null)" != "$2/$2" ] || return 0
    sleep 0.2
  done
  die "the service did not reach $2 replicas"
}

# gone NODE NAME: waits until the managers have noticed that NAME is down.
gone() {
  local i
  for i in $(seq 150); do
    [ "$(on "$1" node ls --format '{{.Hostname}} {{.Status}}' 2>/dev/null | awk -v n="$2" '$1 == n { print $2 }')" != Down ] || return 0
    sleep 0.2
  done
  die "node $2 is not seen as down"
}

# talk NODE: asks every replica for its name, on the node where it runs.
talk() {
  local task node container ip
  while read -r task node; do
    container=$(on "$node" ps -q --filter "label=com.docker.swarm.task.id=$task")
    ip=$(on "$node" inspect --format '{{.NetworkSettings.Networks.bridge.IPAddress}}' "$container")
    printf '%-3s %-14s %s\n' "$node" "$ip" "$("$root/test-cluster/lab" exec "$node" --name demo -- curl -fs --max-time 5 "http://$ip/" | tr '\n' ' ')"
  done < <(on "$1" service ps web --no-trunc --filter desired-state=running --format '{{.ID}} {{.Node}}')
}

if [ -e /run/swarmts-lab/demo/lab.json ]; then say 'A demo lab of an earlier run is up: taking it down first'; lab down; fi
say 'A lab: three managers, two workers, a registry'
lab up --managers 3 --workers 2
show m1 node ls
say 'Five replicas of a small web server'
show m1 service create --name web --replicas 5 registry:5000/whoami
show m1 service ps web
say 'Every replica answers'
talk m1
say 'Worker w2 loses its power'
lab poweroff w2
gone m1 w2
converge m1 5
show m1 node ls
show m1 service ps web --filter desired-state=running
leader=$(on m1 node ls --format '{{.Hostname}} {{.ManagerStatus}}' | awk '$2 == "Leader" { print $1 }')
other=m1
[ "$leader" != m1 ] || other=m2
say "The leading manager, $leader, is killed with everything on it"
lab poweroff "$leader"
show "$other" service scale web=10
show "$other" node ls
show "$other" service ps web --filter desired-state=running
say 'Every replica answers'
talk "$other"

if [ "$keep" -eq 1 ]; then
  trap - EXIT
  cat <<TEXT

The lab stays up. Look around:
  export SWARMTS_HOST=unix:///run/swarmts-lab/demo/$other/swarmts.sock
  $root/node_modules/.bin/swarmts node ls
  DOCKER_HOST=\$SWARMTS_HOST docker service ls        (the docker client works as well)
  $root/test-cluster/lab nodes --name demo
  $root/test-cluster/lab start $leader --name demo   (the lost manager comes back)
Take it down:
  $root/test-cluster/lab down --name demo
TEXT
else
  say 'The demo is done'
fi
