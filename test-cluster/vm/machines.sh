# Sourced: virtual machines from the images of image.sh in $dir. What they write is gone with them. VM_ACCEL (kvm or tcg), VM_CPUS and
# VM_MEMORY (MiB) say how they run. m1 and m2 share a wire that ends nowhere else; the host reaches them by SSH on 127.0.0.1.

accel=${VM_ACCEL:-$([ -w /dev/kvm ] && echo kvm || echo tcg)}
boot_seconds=${VM_BOOT_SECONDS:-300}
ssh_port() { echo $((${VM_SSH_PORT:-22770} + ${1#m})); }

# boot NAME PEER: starts a machine; its pid is in $dir/NAME.pid.
boot() {
  local name=$1 peer=$2 number=${1#m}
  rm -f "$dir/$name.lan"
  qemu-system-x86_64 -name "$name" -nodefaults -no-user-config -display none \
    -machine q35 -accel "$accel" -cpu max -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-1536}" \
    -kernel "$dir/vmlinuz" -initrd "$dir/initrd.img" \
    -append "root=/dev/vda console=ttyS0 systemd.hostname=$name panic=10" \
    -drive "file=$dir/debian.ext4,format=raw,if=virtio,snapshot=on" \
    -drive "file=$dir/swarmts.ext4,format=raw,if=virtio,snapshot=on" \
    -netdev "user,id=host,restrict=on,hostfwd=tcp:127.0.0.1:$(ssh_port "$name")-:22" \
    -device "virtio-net-pci,netdev=host,mac=52:54:00:00:00:0$number" \
    -netdev "dgram,id=lan,local.type=unix,local.path=$dir/$name.lan,remote.type=unix,remote.path=$dir/$peer.lan" \
    -device "virtio-net-pci,netdev=lan,mac=52:54:00:00:01:0$number" \
    -device virtio-rng-pci -serial "file:$dir/$name.console" -pidfile "$dir/$name.pid" -daemonize
}

# on NAME COMMAND: by its shell; standard input is passed on.
on() {
  local name=$1
  shift
  ssh -q -i "$dir/key" -p "$(ssh_port "$name")" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 \
    -o ControlMaster=auto -o ControlPath="$dir/$name.ssh" -o ControlPersist=60 -o ServerAliveInterval=10 root@127.0.0.1 "$@"
}

# until_true SECONDS COMMAND...: tries it every second, silently.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 1
  done
}

answers() { on "$1" true </dev/null 2>/dev/null; }
await_boot() { until_true "$boot_seconds" answers "$1" || die "$1 has not come up in $boot_seconds s; see $dir/$1.console"; }

boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id </dev/null 2>/dev/null; }
has_rebooted() { local now; now=$(boot_id "$1") && [ "$now" != "$2" ]; }

# restart_by NAME COMMAND: returns when the machine that the command ends is back.
restart_by() {
  local name=$1 before
  before=$(boot_id "$name")
  on "$name" "$2" </dev/null || true
  on "$name" -O exit 2>/dev/null </dev/null || true
  until_true "$boot_seconds" has_rebooted "$name" "$before" || die "$name has not come back in $boot_seconds s; see $dir/$name.console"
}

reboot() { restart_by "$1" 'systemctl reboot'; }
# crash NAME: as if the power had failed for a moment.
crash() { restart_by "$1" 'echo 1 >/proc/sys/kernel/sysrq; (sleep 1; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &'; }

# power_off NAME: ends the machine, if it runs.
power_off() {
  local pid
  on "$1" -O exit 2>/dev/null </dev/null || true
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || true
  until_true 20 eval "! kill -0 $pid 2>/dev/null" || kill -9 "$pid"
  rm -f "$dir/$1.pid" "$dir/$1.lan"
}
