# Limits of containers on pure cgroup v2, by both OCI runtimes: what was asked for is what the kernel's files say.
docker() { command docker -H unix:///run/swarmts/swarmts.sock "$@"; }
pid_of() { docker inspect -f '{{.State.Pid}}' "$1"; }
# file CONTAINER FILE: of the container's control group.
file() { cat "/sys/fs/cgroup$(cut -d: -f3 "/proc/$(pid_of "$1")/cgroup")/$2"; }
has() { expect "$2" "$3" "$(file "$1" "$2")"; }
device=$(lsblk -dno MAJ:MIN /dev/vda | tr -d ' ')

is_pure() { expect 'file system' cgroup2fs "$(stat -fc %T /sys/fs/cgroup)"; }
says_version() { expect info 2 "$(docker info -f '{{.CgroupVersion}}')"; }
# What was wanted may be warned of only where the kernel cannot do it.
starts_silently() {
  local said
  said=$(docker run -d --runtime "$1" --name limited -m 64m --memory-reservation 32m --memory-swap 96m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 \
    --pids-limit 50 --blkio-weight 300 --device-read-bps /dev/vda:1mb --device-write-iops /dev/vda:100 \
    busybox sh -c 'trap exit TERM; sleep 10000 & wait' 2>&1 >/dev/null) || { echo "$said"; return 1; }
  expect 'on standard error' '' "$said"
}
runs_on() { expect runtime "$1" "$(docker inspect -f '{{.HostConfig.Runtime}}' limited)"; }
memory() { has limited memory.max 67108864 && has limited memory.low 33554432 && has limited memory.swap.max 33554432; }
cpu() { has limited cpu.max '50000 100000' && has limited cpu.weight 20 && has limited cpuset.cpus 0; }
pids() { has limited pids.max 50; }
rates() { has limited io.max "$device rbps=1048576 wbps=max riops=max wiops=100"; }
# 300 of Docker's 10 to 1000 is 2930 of the kernel's 1 to 10000; BFQ, where it schedules, takes the number as it is.
weight() { if [ "$(file limited io.bfq.weight 2>/dev/null)" ]; then has limited io.bfq.weight 'default 300'; else has limited io.weight 'default 2930'; fi; }
stats() { expect_match stats '^[0-9.]+[KM]iB / 64MiB [1-9][0-9]*$' "$(docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' limited)"; }
inside() { expect 'memory.max inside' 67108864 "$(docker exec limited cat /sys/fs/cgroup/memory.max)"; }
exec_group() {
  docker exec -d limited sleep 4321
  local pid
  eventually 10 pgrep -fx 'sleep 4321'
  pid=$(pgrep -fx 'sleep 4321')
  expect 'group of the exec' "$(cat "/proc/$(pid_of limited)/cgroup")" "$(cat "/proc/$pid/cgroup")"
}
paused() {
  docker pause limited && has limited cgroup.freeze 1 && expect state true "$(docker inspect -f '{{.State.Paused}}' limited)"
  local status=$?
  docker unpause limited && has limited cgroup.freeze 0 && return $status
}
updated() {
  docker update --memory 80m --memory-swap 80m --cpus 1 --pids-limit 60 limited &&
    has limited memory.max 83886080 && has limited memory.swap.max 0 && has limited cpu.max '100000 100000' && has limited pids.max 60
}
# systemd holds the root of the hierarchy: what it does there takes no limit away.
survives_systemd() { systemctl daemon-reload && systemctl restart systemd-networkd && has limited memory.max 83886080 && rates; }
out_of_memory() {
  docker run --runtime "$1" --name hungry -m 32m --memory-swap 32m busybox tail /dev/zero
  expect 'exit code and reason' '137 true' "$(docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' hungry)"
}
out_of_memory_event() { expect_match events oom "$(docker events --since 10m --until 0s --filter container=hungry)"; }
fork_bomb() { refused docker run --rm --runtime "$1" --pids-limit 10 busybox sh -ec 'for i in $(seq 20); do sleep 20 & done'; }
unlimited_pids() {
  docker run -d --runtime "$1" --name plain busybox sleep 1000 && has plain memory.max max && has plain cpu.max 'max 100000'
}
private_namespace() { expect 'group inside' '0::/' "$(docker exec plain cat /proc/self/cgroup)"; }
lists_runtimes() { expect_match info 'crun.*runc|runc.*crun' "$(docker info -f '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}')"; }
tells_filesystem() { expect_match info 'Backing Filesystem extfs' "$(docker info -f '{{.DriverStatus}}')"; }
too_many_cpus() { refused docker run --rm --cpus 64 busybox true; }
leaves_nothing() {
  docker rm -f "$@" && eventually 10 no_groups
}
no_groups() { expect 'groups left' '' "$(find /sys/fs/cgroup -path '*swarmts*' -type d -regextype posix-extended -regex '.*[0-9a-f]{64}.*')"; }

check 'the kernel has cgroup v2 alone' is_pure
check 'info says version 2' says_version
check 'info lists both runtimes' lists_runtimes
check 'info tells what the layers are kept on' tells_filesystem
check 'more CPUs than there are are refused' too_many_cpus
for runtime in crun runc; do
  check "$runtime: a container with every limit starts, and no warning is wrong" starts_silently $runtime
  check "$runtime: it is this runtime" runs_on $runtime
  check "$runtime: memory, reservation and swap" memory
  check "$runtime: quota, shares and set of CPUs" cpu
  check "$runtime: number of processes" pids
  check "$runtime: rates of a device" rates
  check "$runtime: weight of I/O" weight
  check "$runtime: stats" stats
  check "$runtime: the container sees its own limits" inside
  check "$runtime: exec runs in the container's group" exec_group
  check "$runtime: pause and unpause" paused
  check "$runtime: update" updated
  check "$runtime: systemd takes nothing away" survives_systemd
  check "$runtime: out of memory" out_of_memory $runtime
  check "$runtime: out of memory is an event" out_of_memory_event
  check "$runtime: the number of processes holds" fork_bomb $runtime
  check "$runtime: nothing is limited that was not asked for" unlimited_pids $runtime
  check "$runtime: a namespace of control groups of its own" private_namespace
  check "$runtime: nothing is left" leaves_nothing limited hungry plain
done
