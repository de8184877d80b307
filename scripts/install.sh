#!/usr/bin/env bash
# Installs swarmts from this checkout for real use: Debian packages, build, swarmts and swarmtsd on the PATH, and a systemd unit
# where systemd runs. `--uninstall` takes the links and the unit away; data in /var/lib/swarmts stays.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

bin=/usr/local/bin
unit=/etc/systemd/system/swarmtsd.service
systemd_runs() { [ -d /run/systemd/system ]; }

need_root
case "${1:-}" in
  --uninstall)
    if systemd_runs && [ -e "$unit" ]; then systemctl disable --now swarmtsd || true; fi
    rm -f "$unit" "$bin/swarmts" "$bin/swarmtsd"
    if systemd_runs; then systemctl daemon-reload; fi
    for dir in containers runtime exits attach netns programs/crun programs/runc; do
      if mountpoint -q "/run/swarmts/$dir"; then umount "/run/swarmts/$dir" || true; fi
    done
    # The daemon leaves its rules to the containers that outlive it; here nothing outlives.
    if command -v nft >/dev/null; then nft list tables | awk '$3 ~ /^swarmts/ { print "delete", $0 }' | nft -f -; fi
    say 'swarmts is uninstalled; /var/lib/swarmts is left as it was'
    exit 0
    ;;
  '') ;;
  *) die "usage: $0 [--uninstall]" ;;
esac

need_node
install_packages "${node_packages[@]}"
build
ln -sf "$root/cli/bin/swarmts.js" "$bin/swarmts"
ln -sf "$root/daemon/bin/swarmtsd.js" "$bin/swarmtsd"
# Its members may use the daemon's socket, and are root thereby: nobody is put in.
getent group swarmts >/dev/null || groupadd --system swarmts
mkdir -p /etc/swarmts
[ -e /etc/swarmts/daemon.json ] || echo '{}' >/etc/swarmts/daemon.json

unit_text() {
  cat <<UNIT
[Unit]
Description=swarmts: containers and swarm
Documentation=file://$root/README.md
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
# Ready when the API answers; the notice comes from the daemon's helper.
Type=notify
NotifyAccess=all
TimeoutStartSec=infinity
ExecStart=$(command -v node) $root/daemon/bin/swarmtsd.js
ExecReload=/bin/kill -HUP \$MAINPID
Restart=always
RestartSec=2
# Containers outlive the daemon: only the daemon itself is stopped.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
UNIT
}
if systemd_runs; then
  unit_text >"$unit"
  chmod 644 "$unit"
  systemctl daemon-reload
  systemctl enable --now swarmtsd
  say 'swarmtsd runs. Next: swarmts doctor; swarmts init'
else
  say "No systemd here: start the daemon with $bin/swarmtsd. Next: swarmts doctor; swarmts init"
fi
