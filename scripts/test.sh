#!/usr/bin/env bash
# Sets up and runs the tests. `--long` runs what takes longer, too. The last line is "N passed, N failed, N skipped".
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

long=0
case "${1:-}" in
  '') ;;
  --long) long=1 ;;
  *) die "usage: $0 [--long]" ;;
esac
need_root
need_node
install_packages "${node_packages[@]}" "${lab_packages[@]}"

export SWARMTS_TEST_COUNTS
SWARMTS_TEST_COUNTS=$(mktemp)
cgroup_mounts() { awk '$9 == "cgroup" || $8 == "cgroup" { print $5 }' /proc/self/mountinfo; }
mounted_before=$(cgroup_mounts)

# Tests of the engine leave empty parent cgroups, as runtimes do, and hierarchies that crun wanted; what is in use stays.
clean() {
  rm -f "$SWARMTS_TEST_COUNTS"
  local dir
  for dir in /sys/fs/cgroup/swarmts /sys/fs/cgroup/*/swarmts; do
    if [ -d "$dir" ]; then find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true; fi
  done
  for dir in $(cgroup_mounts); do
    if ! grep -qx "$dir" <<<"$mounted_before"; then umount "$dir" 2>/dev/null && rmdir "$dir" || true; fi
  done
}
trap clean EXIT

# check NAME COMMAND...: counts as one test.
check() {
  local name=$1
  shift
  say "$name"
  if "$@"; then echo '1 0 0' >>"$SWARMTS_TEST_COUNTS"; else echo "FAILED: $name"; echo '0 1 0' >>"$SWARMTS_TEST_COUNTS"; fi
}

# suite NAME ARGUMENTS-OF-MOCHA...; a run that dies without counting is a failure.
suite() {
  local name=$1 before after
  shift
  say "$name"
  before=$(wc -l <"$SWARMTS_TEST_COUNTS")
  npx --no-install mocha --no-config --require ./scripts/rejections-fail.mjs --enable-source-maps --reporter scripts/mocha-reporter.mjs "$@" || true
  after=$(wc -l <"$SWARMTS_TEST_COUNTS")
  [ "$after" -gt "$before" ] || { echo "FAILED: $name ended before its tests did"; echo '0 1 0' >>"$SWARMTS_TEST_COUNTS"; }
}

# Most of what tests do is waiting: two files run at once, in processes of their own. Not so the scenarios: whole clusters beside each other
# have too little of two cores for the times that they keep.
pairs=(--parallel --jobs 2)

check 'Build' build
check 'Generated code is current' node proto/scripts/generate.mjs --check
check 'Lint and format' npx --no-install biome check --error-on-warnings .
if [ -d node_modules/mocha ] && [ -f lib/dist/index.js ]; then
  suite 'Unit and kernel tests' "${pairs[@]}" --timeout 60000 --exclude 'test-cluster/**' '{lib,proto,raft-ts,vxlan-tools,scheduler,netplugins,worker,manager,api,cli,daemon}/dist/**/*.test.js'
  SWARMTS_TEST_RUNTIME=runc suite 'The container engine on runc' "${pairs[@]}" --timeout 60000 'worker/dist/engine/*.kernel.test.js'
  # Whole clusters in real time on two cores: a step that fails is tried once more before it counts.
  suite 'Scenarios in the lab' --timeout 240000 --retries 1 'test-cluster/dist/sim/*.test.js' 'test-cluster/dist/scenarios/*.test.js'
  if [ "$long" -eq 1 ]; then
    check 'Raft simulation of cores, 20,000 seeds' npm run --silent raft-sim -- --seeds 20000
    check 'Simulation of clusters, 2,000 seeds' npm run --silent sim -- --seeds 2000 --from 1001
    RAFT_RUNS=${RAFT_RUNS:-300} suite 'Raft simulation, many seeds' --timeout 1800000 'raft-ts/dist/sim/*.test.js'
    RAFT_LONG=1 suite 'Raft processes, for a long time' --timeout 1800000 'raft-ts/dist/process/processes.test.js' 'raft-ts/dist/process/memory.test.js'
    KILLS_STRIDE=1 suite 'A kill at every change on disk' --timeout 900000 'worker/dist/images/pull-kills.kernel.test.js' 'worker/dist/engine/crash-points.kernel.test.js'
    suite 'Long scenarios in the lab' --timeout 900000 'test-cluster/dist/**/*.long.js'
  fi
fi

say 'Result'
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit (f > 0 || p == 0) }' "$SWARMTS_TEST_COUNTS"
