/** Asks the kernel whether a process of this network namespace holds a port, by binding it for a moment. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { errnoOf } from '@swarmts/lib';
import type { PortProbe, PortProtocol } from './ports.js';

const TAKEN = new Set(['EADDRINUSE']);

/** Node cannot bind SCTP, so those count as free; so does an address that the host does not have (yet). */
export const probeByBinding: PortProbe = async (protocol: PortProtocol, hostIp: string, port: number) => {
  if (protocol === 'sctp') return true;
  const host = hostIp === '' ? '0.0.0.0' : hostIp;
  try {
    await (protocol === 'tcp' ? bindTcp(host, port) : bindUdp(host, port));
    return true;
  } catch (e) {
    return !TAKEN.has(errnoOf(e));
  }
};

function bindTcp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true, ipv6Only: host.includes(':') }, () => server.close(() => resolve()));
  });
}

function bindUdp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
    socket.once('error', (e) => {
      socket.close();
      reject(e);
    });
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve()));
  });
}
