import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { silentLogger } from '@swarmts/lib';
import { freePort } from '@swarmts/lib/testing';
import { engineRoutes } from '../server.js';
import { certificates } from '../testing/certificates.js';
import { Harness } from '../testing/harness.js';
import { memoryBackend } from '../testing/memory-backend.js';
import { ADMIN_READS, checkAccess, HARMLESS_POSTS } from './access.js';
import { MAX_CONNECTIONS_PER_ADDRESS, openListener } from './listen.js';
import type { TlsMaterial } from './tls-material.js';

const reader = { role: 'readonly', name: 'rob' } as const;

describe('what readers may do', () => {
  const { routes, hub } = engineRoutes({ backend: memoryBackend(), version: 'x', log: silentLogger, now: () => 0 });
  hub.close();
  const endpoints = routes.map((r) => `${r.method} ${r.pattern}`);
  const allowed = (endpoint: string) => {
    try {
      checkAccess(reader, endpoint);
      return true;
    } catch {
      return false;
    }
  };

  it('is to read, and nothing that changes or hands out secrets', () => {
    for (const e of endpoints) {
      const reads = e.startsWith('GET ') || e.startsWith('HEAD ');
      assert.equal(allowed(e), reads ? !ADMIN_READS.has(e) : HARMLESS_POSTS.has(e), e);
    }
    assert.ok(allowed('GET /services') && !allowed('POST /containers/{id}/exec') && !allowed('GET /swarm/unlockkey'));
  });

  it('names routes that there are', () => {
    for (const e of [...ADMIN_READS, ...HARMLESS_POSTS]) assert.ok(endpoints.includes(e), e);
  });
});

describe('a TCP listener with certificates', () => {
  let api: Harness;
  let material: TlsMaterial | undefined;
  let changed = () => {};
  let port: number;
  const certs = certificates();

  before(async () => {
    api = await Harness.start();
    material = { ...certs.server, clientCaPem: certs.ca, clusterId: 'cluster1' };
    const tls = {
      get material() {
        return material;
      },
      onChange(listener: () => void) {
        changed = listener;
      },
    };
    port = await freePort();
    await api.listen(`tcp://127.0.0.1:${port}`, { tls });
  });
  after(() => api.stop());

  const ask = async (method: string, path: string, client?: { certPem: string; keyPem: string }) => {
    const shown = client ? { cert: client.certPem, key: client.keyPem } : {};
    const r = request({ host: '127.0.0.1', port, method, path, ca: certs.ca, ...shown, agent: false });
    r.end();
    const [response] = await once(r, 'response');
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode as number, text };
  };

  it('lets administrators do anything, and readers read', async () => {
    assert.equal((await ask('POST', '/volumes/create', certs.admin)).status, 201);
    assert.equal((await ask('GET', '/services', certs.reader)).status, 200);
    const refused = await ask('DELETE', '/services/x', certs.reader);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /certificate of rob is read-only, and DELETE \/services\/\{id\} changes something/);
    const hijack = await ask('POST', '/containers/x/attach', certs.reader);
    assert.equal(hijack.status, 403);
  });

  it('shows readers no join tokens', async () => {
    assert.match((await ask('GET', '/swarm', certs.admin)).text, /SWMTKN/);
    assert.doesNotMatch((await ask('GET', '/swarm', certs.reader)).text, /SWMTKN/);
  });

  it('refuses certificates of nodes, of other clusters and of other CAs, and none at all', async () => {
    for (const client of [certs.node, certs.elsewhere]) {
      const answer = await ask('GET', '/info', client);
      assert.equal(answer.status, 403);
      assert.match(answer.text, /is not one of a client of this cluster: make one with/);
    }
    await assert.rejects(ask('GET', '/info', certs.stranger), /ECONNRESET|hang up|alert|certificate/);
    await assert.rejects(ask('GET', '/info'), /ECONNRESET|hang up|alert|certificate/);
    const socket = connect(port, '127.0.0.1');
    socket.end('GET /info HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
  });

  it('closes connections of a certificate that was taken back, and lets it in no more', async () => {
    const { serialNumber } = new X509Certificate(certs.admin.certPem);
    const followed = async (client: { certPem: string; keyPem: string }) => {
      const tls = { ca: certs.ca, cert: client.certPem, key: client.keyPem };
      const r = request({ host: '127.0.0.1', port, path: '/events', ...tls, agent: false });
      r.on('error', () => undefined);
      r.end();
      const [response] = await once(r, 'response');
      response.resume();
      response.on('error', () => undefined);
      return response as IncomingMessage;
    };
    const [admin, reader] = [await followed(certs.admin), await followed(certs.reader)];
    const before = material;
    material = before && { ...before, revoked: new Set([serialNumber]) };
    changed();
    await new Promise((resolve) => admin.once('close', resolve));
    assert.equal(reader.destroyed, false);
    const refused = await ask('GET', '/info', certs.admin);
    assert.deepEqual([refused.status, /client certificate of ann was revoked/.test(refused.text)], [403, true]);
    assert.equal((await ask('GET', '/info', certs.reader)).status, 200);
    reader.destroy();
    material = before;
    changed();
  });

  it('lets nobody in while the node has no certificate, and follows a new one', async () => {
    const before = material;
    material = undefined;
    changed();
    await assert.rejects(ask('GET', '/info', certs.admin));
    material = before;
    changed();
    assert.equal((await ask('GET', '/info', certs.admin)).status, 200);
  });
});

describe('connections', () => {
  it('of one address are limited, and others are not kept out', async () => {
    const server = await openListener('tcp://127.0.0.1:0', {}, (_, response) => void response.end('x'));
    const { port } = server.address() as AddressInfo;
    const open: Socket[] = [];
    try {
      // Fewer at once than wait to be accepted: one that is dropped is tried again after seconds only.
      while (open.length < MAX_CONNECTIONS_PER_ADDRESS) {
        const some = Array.from({ length: Math.min(100, MAX_CONNECTIONS_PER_ADDRESS - open.length) }, () =>
          connect(port, '127.0.0.1'),
        );
        open.push(...some);
        await Promise.all(some.map((c) => once(c, 'connect')));
      }
      const beyond = connect(port, '127.0.0.1');
      beyond.resume();
      await once(beyond, 'close');
      const other = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      other.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(String((await once(other, 'data'))[0]), /200 OK/);
      other.destroy();
    } finally {
      for (const c of open) c.destroy();
      server.close();
    }
  });
});
