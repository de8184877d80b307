# Sourced by demo.sh and test.sh: installs what is missing and builds. Says what it does; doing it twice changes nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

need_root() {
  [ "$(id -u)" -eq 0 ] || die "this needs root: sudo $0"
}

need_node() {
  command -v node >/dev/null || die 'Node.js 20 or newer is needed and was not found on the PATH (with sudo: sudo env "PATH=$PATH" ...)'
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || die "Node.js 20 or newer is needed, this is $(node --version)"
}

# install PACKAGE...: Debian packages that are missing. Services of theirs are not started.
install_packages() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing Debian packages: ${missing[*]}"
  command -v apt-get >/dev/null || die "apt-get was not found; install these by hand: ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d own=0
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; own=1; fi
  local status=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } || status=$?
  [ "$own" -eq 0 ] || rm -f "$policy"
  [ "$status" -eq 0 ] || die "apt-get could not install: ${missing[*]}"
}

# What a node needs, and what the lab needs besides.
node_packages=(crun runc conmon e2fsprogs nftables libnftables1 iproute2 xz-utils bzip2 zstd ca-certificates)
lab_packages=(busybox-static umoci skopeo docker-registry curl util-linux procps openssl bind9-dnsutils wireguard-go wireguard-tools tcpdump bsdutils python3-docker nats-server docker-compose prometheus docker.io golang-cfssl)

build() {
  local stamp=node_modules/.swarmts-lock
  if ! cmp -s package-lock.json "$stamp"; then
    say 'Installing npm packages (npm ci)'
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json "$stamp"
  fi
  say 'Building'
  npm run --silent build
}
