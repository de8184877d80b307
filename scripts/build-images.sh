#!/usr/bin/env bash
# Builds the images of lab and tests from Debian packages, as OCI layouts: busybox (a shell and its tools) and whoami (a web
# server that answers with the name of its container). Usage: scripts/build-images.sh DIRECTORY
set -euo pipefail
out=${1:?usage: scripts/build-images.sh DIRECTORY}
for tool in umoci busybox; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (apt-get install umoci busybox-static)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# root DIRECTORY: a root file system with busybox and a link for each of its tools.
root() {
  mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp,var,www}
  chmod 1777 "$1/tmp"
  install -m 755 "$(command -v busybox)" "$1/bin/busybox"
  busybox --list | while read -r tool; do [ "$tool" = busybox ] || ln -s busybox "$1/bin/$tool"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
}

# image NAME ROOT CONFIG...: one layer with the content of ROOT.
image() {
  local name=$1 from=$2
  shift 2
  rm -rf "${out:?}/$name"
  umoci init --layout "$out/$name"
  umoci new --image "$out/$name:latest"
  umoci insert --rootless --image "$out/$name:latest" "$from" /
  umoci config --image "$out/$name:latest" --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
  umoci gc --layout "$out/$name"
}

root "$work/busybox"
image busybox "$work/busybox" --config.cmd sh

root "$work/whoami"
mkdir -p "$work/whoami/www/cgi-bin"
cat >"$work/whoami/www/cgi-bin/index.cgi" <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "Hostname: $(hostname)"
echo "IP: $(hostname -i 2>/dev/null)"
echo "RemoteAddr: $REMOTE_ADDR"
echo "GET $REQUEST_URI"
CGI
cat >"$work/whoami/bin/whoami-server" <<'SERVER'
#!/bin/sh
# SIGTERM to process 1 needs a handler: the kernel gives it no default action.
busybox httpd -f -p "${PORT:-80}" -h /www &
server=$!
trap 'kill $server; exit 0' TERM INT
echo "whoami on $(hostname) listens on port ${PORT:-80}"
wait $server
SERVER
chmod 755 "$work/whoami/www/cgi-bin/index.cgi" "$work/whoami/bin/whoami-server"
image whoami "$work/whoami" --config.exposedports 80/tcp --config.cmd whoami-server
echo "images in $out: busybox whoami"
