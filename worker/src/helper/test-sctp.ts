/**
 * SCTP from crafted packets: this kernel may have no such sockets, and rules have to translate it all the same. Who serves answers each
 * INIT with an INIT ACK; who asks sends an INIT and says who has answered it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type TestHost } from './test-host.js';

/** Checksums count: the kernel tracks no connection whose packets have a wrong one. */
const PEER = `
import os, socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
def packet(source, target, tag, kind):
    init = struct.pack('!BBHIIHHI', kind, 0, 20, 0x5a5a5a5a, 65535, 1, 1, 7)
    head = lambda crc: struct.pack('!HHI', source, target, tag) + struct.pack('<I', crc)
    return head(crc32c(head(0) + init)) + init
def received(s):
    data, (address, _) = s.recvfrom(4096)
    sctp = data[(data[0] & 15) * 4:]
    source, target = struct.unpack('!HH', sctp[:4])
    intact = struct.unpack('<I', sctp[8:12])[0] == crc32c(sctp[:8] + bytes(4) + sctp[12:])
    return address, source, target, sctp[12], intact
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
if sys.argv[1] == 'serve':
    print('ready', flush=True)
    while True:
        address, source, target, kind, intact = received(s)
        if kind == 1 and target == int(sys.argv[2]) and intact:
            print('INIT', address, flush=True)
            s.sendto(packet(target, source, 0x5a5a5a5a, 2), (address, 0))
else:
    s.settimeout(2)
    s.sendto(packet(int(sys.argv[4]), int(sys.argv[3]), 0, 1), (sys.argv[2], 0))
    while True:
        address, source, target, kind, intact = received(s)
        if kind == 2 and target == int(sys.argv[4]) and intact:
            print(f'{address}:{source}')
            break
`;

const argvOf = (...more: string[]): string[] => ['python3', '-c', PEER, ...more];

export interface SctpServer {
  /** Addresses of those who have asked. */
  clients(): readonly string[];
  stop(): Promise<void>;
}

export async function serveSctp(host: TestHost, netns: string, port: number): Promise<SctpServer> {
  const log = join(host.dir, `sctp-${port}.log`);
  const text = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  const stop = new AbortController();
  const env = { PATH: process.env.PATH ?? '' };
  const argv = argvOf('serve', String(port));
  const running = host.helper.run({ argv, netns, stdoutFile: log, env }, stop.signal).catch(() => undefined);
  await eventually('the SCTP server is ready', () => text().includes('ready'));
  return {
    clients: () => [...text().matchAll(/INIT (\S+)/g)].map((m) => m[1] ?? ''),
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** "ADDRESS:PORT" that the answer came from; undefined when none did. An association that is known goes on after changes of the rules. */
export async function askSctp(
  host: TestHost,
  netns: string,
  address: string,
  port: number,
  from = 40_000,
): Promise<string | undefined> {
  const { code, stdout } = await host.run(netns, ...argvOf('ask', address, String(port), String(from)));
  return code === 0 ? Buffer.from(stdout).toString().trim() : undefined;
}
