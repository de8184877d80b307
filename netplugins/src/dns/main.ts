/**
 * `swarmts-dns SOCKET`: the node's name server as a process of its own, so that names are found while the daemon is restarted.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createLogger, messageOf, stderrSink, systemClock } from '@swarmts/lib';
import { loadNftLibrary } from 'vxlan-tools';
import { serveControl } from '../control/serve-control.js';
import { DEFAULT_NAMESERVERS, parseResolvConf } from '../resolv-conf.js';
import { NAMESERVER } from './container-sockets.js';
import { Forwarder } from './forwarder.js';
import { NameServer } from './name-server.js';
import { DNS_PROTOCOL, type DnsUpdate } from './protocol.js';

/** Changes of the host's resolv.conf are seen after this time. */
const HOST_SERVERS_MS = 2_000;

function hostServers(): () => readonly string[] {
  let readAt = Number.NEGATIVE_INFINITY;
  let servers: readonly string[] = [];
  return () => {
    if (systemClock.monotonic() - readAt < HOST_SERVERS_MS) return servers;
    readAt = systemClock.monotonic();
    const text = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : '';
    // Asked from the host's namespace, where its loopback is the right one.
    const own = parseResolvConf(text).nameservers.filter((s) => isIP(s) !== 0 && s !== NAMESERVER);
    servers = own.length > 0 ? own : DEFAULT_NAMESERVERS;
    return servers;
  };
}

async function main(path: string): Promise<void> {
  process.title = 'swarmts-dns';
  const log = createLogger(stderrSink('info'));
  const server = new NameServer({
    forwarder: new Forwarder(systemClock),
    nft: loadNftLibrary(),
    hostServers: hostServers(),
    clock: systemClock,
    random: Math.random,
    log,
  });
  await serveControl<DnsUpdate>({
    path,
    protocol: DNS_PROTOCOL,
    apply: (update) => server.apply(update),
    isIdle: () => server.containers === 0,
    log,
  });
}

const [, , path] = process.argv;
if (path === undefined) {
  process.stderr.write('usage: swarmts-dns SOCKET\n');
  process.exit(1);
}
main(path).catch((e: unknown) => {
  process.stderr.write(`swarmts-dns: ${messageOf(e)}\n`);
  process.exit(1);
});
