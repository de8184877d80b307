/**
 * `swarmts-dns SOCKET`: the node's name server as a process of its own, so that names are found while the daemon is restarted. It
 * ends when it has no containers and nobody has spoken to it for a while.
 */
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, createServer, isIP, type Socket } from 'node:net';
import { createLogger, messageOf, systemClock } from '@swarmts/lib';
import { loadNftLibrary } from 'vxlan-tools';
import { DEFAULT_NAMESERVERS, parseResolvConf } from '../resolv-conf.js';
import { NAMESERVER } from './container-sockets.js';
import { Forwarder } from './forwarder.js';
import { NameServer } from './name-server.js';
import { DNS_PROTOCOL, type DnsUpdate, LineDecoder } from './protocol.js';

const IDLE_EXIT_MS = 30_000;
const IDLE_CHECK_MS = 5_000;
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

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

async function main(path: string): Promise<void> {
  process.title = 'swarmts-dns';
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  if (await isAlive(path)) return;
  if (existsSync(path)) unlinkSync(path);
  const log = createLogger({ level: 'info', write: (line: string) => void process.stderr.write(line) });
  const server = new NameServer({
    forwarder: new Forwarder(systemClock),
    nft: loadNftLibrary(),
    hostServers: hostServers(),
    clock: systemClock,
    random: Math.random,
    log,
  });
  let lastSpokenAt = systemClock.monotonic();
  let clients = 0;
  let tail: Promise<void> = Promise.resolve();
  const onLine = (client: Socket, line: string) => {
    // Written by the daemon's DnsClient alone; another build is told apart by its number.
    const update = JSON.parse(line) as DnsUpdate;
    if (update.protocol !== DNS_PROTOCOL) process.exit(0);
    tail = tail
      .then(() => server.apply(update))
      .then((ack) => void client.write(`${JSON.stringify(ack)}\n`))
      .catch((e: unknown) => log.error('an update was not applied', { error: messageOf(e) }));
  };
  const control = createServer((client) => {
    clients++;
    const decoder = new LineDecoder();
    client.on('data', (chunk: Buffer) => {
      lastSpokenAt = systemClock.monotonic();
      try {
        for (const line of decoder.push(chunk)) onLine(client, line);
      } catch (e) {
        log.error('the daemon sent no JSON', { error: messageOf(e) });
        client.destroy();
      }
    });
    client.on('error', () => undefined);
    client.on('close', () => {
      clients--;
      lastSpokenAt = systemClock.monotonic();
    });
  });
  control.on('error', (e) => {
    log.error('the control socket failed', { error: messageOf(e) });
    process.exit(1);
  });
  control.listen(path);
  const check = () => {
    const idle = server.containers === 0 && clients === 0 && systemClock.monotonic() - lastSpokenAt > IDLE_EXIT_MS;
    if (idle || !existsSync(path)) process.exit(0);
    systemClock.after(IDLE_CHECK_MS, check);
  };
  check();
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
