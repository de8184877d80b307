/**
 * `swarmts-helper`, the daemon's privileged hands. The daemon starts it with one end of a socket pair as fd 3; it lives
 * exactly as long as that socket. Its argument is the file that keeps what the host's forwarding was before. Signals that the terminal sends to everybody are for the daemon to decide about.
 */
import { readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { setCloseOnExec } from 'vxlan-tools';
import { HelperServer } from './helper-server.js';

const SOCKET_FD = 3;

/** No descriptor that came from outside or belongs to this process may reach a child. */
function keepDescriptorsPrivate(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd < SOCKET_FD) continue;
    try {
      setCloseOnExec(fd);
    } catch {
      // The descriptor that listed the directory is closed by now.
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => undefined);
}
process.title = 'swarmts-helper';
keepDescriptorsPrivate();
const [, , forwardingFile] = process.argv;
const daemon = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
new HelperServer(daemon, () => process.exit(0), forwardingFile);
