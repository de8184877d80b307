#!/usr/bin/env bash
# Makes what the VMs boot: Debian with systemd and its own kernel (made once, for as long as the list of packages stays), and a disk
# with this checkout, built, and the test images. Usage: test-cluster/vm/image.sh DIRECTORY
set -euo pipefail
dir=${1:?usage: test-cluster/vm/image.sh DIRECTORY}
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"
need_root
need_node
install_packages "${node_packages[@]}" busybox-static umoci skopeo mmdebstrap e2fsprogs openssh-client qemu-system-x86

system_packages=(systemd systemd-sysv udev dbus kmod initramfs-tools linux-image-cloud-amd64 openssh-server libstdc++6 apparmor)
check_packages=(busybox-static curl docker.io iproute2 iptables iputils-ping lksctp-tools ncat procps tcpdump util-linux wireguard-tools)

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ -e "$dir/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/key"

# What makes Debian's bare system one of our machines.
configure() {
  local system=$1
  printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /opt/swarmts ext4 defaults 0 2\n' >"$system/etc/fstab"
  mkdir -p "$system/opt/swarmts" "$system/root/.ssh"
  install -m 600 "$dir/key.pub" "$system/root/.ssh/authorized_keys"
  # The host reaches a VM by its first card; the VMs reach one another by the second one.
  printf '[Match]\nMACAddress=52:54:00:00:00:01 52:54:00:00:00:02\n[Network]\nDHCP=ipv4\n[DHCPv4]\nUseDNS=no\n' >"$system/etc/systemd/network/host.network"
  local i
  for i in 1 2; do
    printf '[Match]\nMACAddress=52:54:00:00:01:0%s\n[Network]\nAddress=10.77.0.%s/24\n' "$i" "$i" >"$system/etc/systemd/network/lan$i.network"
  done
  chroot "$system" systemctl -q enable systemd-networkd
  # Docker's command is wanted, its daemon is not.
  chroot "$system" systemctl -q mask docker.service docker.socket containerd.service
  # Debian 12 has an older Node.js than the 20 that is needed.
  install -m 755 "$(command -v node)" "$system/usr/bin/node"
  mkdir -p "$system/usr/lib/node_modules"
  cp -a "$(npm root --global)/npm" "$system/usr/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$system/usr/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$system/usr/bin/npx"
  printf 'MODULES=list\nCOMPRESS=zstd\n' >"$system/etc/initramfs-tools/conf.d/vm"
  printf 'virtio_pci\nvirtio_blk\next4\n' >>"$system/etc/initramfs-tools/modules"
  chroot "$system" update-initramfs -u >/dev/null
}

debian() {
  local list system=$dir/system
  list=$(printf '%s\n' "${system_packages[@]}" "${node_packages[@]}" "${check_packages[@]}" "$(cksum <"${BASH_SOURCE[0]}")")
  if [ -e "$dir/debian.ext4" ] && [ "$list" = "$(cat "$dir/packages" 2>/dev/null)" ]; then return 0; fi
  say 'Installing Debian into an image'
  rm -rf "$system"
  local include=("${system_packages[@]}" "${node_packages[@]}" "${check_packages[@]}")
  mmdebstrap --mode=root --quiet --variant=minbase --include="$(IFS=,; echo "${include[*]}")" bookworm "$system"
  configure "$system"
  cp -L "$system/vmlinuz" "$system/initrd.img" "$dir/"
  mke2fs -q -F -t ext4 -d "$system" "$dir/debian.ext4" 6G
  rm -rf "$system"
  echo "$list" >"$dir/packages"
}

# The files of the checkout as they are, with what was built of them.
checkout() {
  say 'Copying the checkout into an image'
  local tree=$dir/checkout
  rm -rf "$tree"
  mkdir -p "$tree/images"
  { git ls-files -z; find . -type d \( -name node_modules -o -name dist \) -prune -print0; } |
    xargs -0 cp -a --parents -t "$tree"
  [ -e "$dir/images/whoami" ] || scripts/build-images.sh "$dir/images"
  local name
  for name in busybox whoami; do
    skopeo copy -q --insecure-policy "oci:$dir/images/$name:latest" "docker-archive:$tree/images/$name.tar:$name:latest"
  done
  mke2fs -q -F -t ext4 -d "$tree" "$dir/swarmts.ext4" 1500M
  rm -rf "$tree"
}

debian
build
checkout
say "Images are in $dir"
