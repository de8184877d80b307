#!/usr/bin/env bash
# Runs swarmts as users have it, in virtual machines: Debian with systemd, pure cgroup v2, AppArmor, its own kernel. One line per check; the
# last line counts. By hand: without KVM it takes most of an hour. Usage: test-cluster/vm/check.sh [--keep] [CHECKS...], where CHECKS are
# names of scripts in checks/ (all of them). `--keep` leaves the machines up, and uses those that are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${VM_DIR:-/var/lib/swarmts-vm}
source "$here/../../scripts/setup.sh"
source "$here/machines.sh"

keep=0
if [ "${1:-}" = --keep ]; then keep=1; shift; fi
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(unit limits apparmor logs swarm)
for name in "${names[@]}"; do
  [ -e "$here/checks/$name.sh" ] || die "there are no checks '$name'; there are: $(basename -s .sh "$here"/checks/*.sh | xargs)"
done
need_root

results=$(mktemp)
finish() {
  local status=$?
  rm -f "$results"
  if [ "$keep" -eq 0 ]; then power_off m1; power_off m2; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ "$keep" -eq 0 ] || ! answers m1 || ! answers m2; then
  power_off m1
  power_off m2
  "$here/image.sh" "$dir"
  say 'Starting the machines'
  boot m1 m2
  boot m2 m1
  for vm in m1 m2; do await_boot "$vm"; done
  say 'Installing swarmts in them'
  for vm in m1 m2; do on "$vm" /opt/swarmts/scripts/install.sh </dev/null & done
  wait
  for vm in m1 m2; do on "$vm" 'for image in /opt/swarmts/images/*.tar; do swarmts load -q -i $image; done' </dev/null; done
fi

# Scripts that begin with "# host" drive the machines from here; the others run in m1.
for name in "${names[@]}"; do
  say "Checks: $name"
  script=$here/checks/$name.sh
  if [ "$(head -1 "$script")" = '# host' ]; then
    (source "$here/reporting.sh"; source "$script")
  else
    cat "$here/reporting.sh" "$script" | on m1 bash -s
  fi | tee -a "$results"
done

say 'Result'
awk '/^ok / { p++ } /^FAILED / { f++ } END { printf "%d passed, %d failed\n", p, f; exit (f > 0 || p == 0) }' "$results"
