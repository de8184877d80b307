import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isSwarmtsError } from '@swarmts/lib';
import { fetchArchive, HttpClient, type HttpRequest } from './http-request.js';

const portOf = (server: Server) => (server.address() as AddressInfo).port;

describe('requests through a proxy', () => {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const;
  const before_ = names.map((n) => process.env[n]);
  const servers: Server[] = [];
  let dir: string;
  /** What the proxy was asked for. */
  const asked: string[] = [];
  let cert: Buffer;

  async function listening(server: Server): Promise<Server> {
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return server;
  }

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-proxy-'));
    const files = ['-keyout', join(dir, 'key'), '-out', join(dir, 'cert')];
    const subject = ['-subj', '/CN=registry.test', '-addext', 'subjectAltName=DNS:registry.test'];
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...make, ...files, ...subject], { stdio: 'pipe' });
    cert = readFileSync(join(dir, 'cert'));
    const registry = await listening(
      createTlsServer({ cert, key: readFileSync(join(dir, 'key')) }, (_, res) => res.end('over TLS')),
    );
    const proxy = createServer((req, res) => {
      asked.push(`${req.method} ${req.url} ${req.headers['proxy-authorization'] ?? ''}`);
      res.end('in clear');
    });
    // It alone knows where the registry is.
    proxy.on('connect', (req, socket) => {
      asked.push(`CONNECT ${req.url}`);
      const to = connect(portOf(registry), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        to.pipe(socket).pipe(to);
      });
      for (const s of [to, socket]) s.on('error', () => undefined);
    });
    await listening(proxy);
    process.env.HTTP_PROXY = `http://user:secret@127.0.0.1:${portOf(proxy)}`;
    process.env.HTTPS_PROXY = `127.0.0.1:${portOf(proxy)}`;
    process.env.NO_PROXY = 'direct.test';
  });
  after(async () => {
    for (const [i, n] of names.entries()) {
      if (before_[i] === undefined) delete process.env[n];
      else process.env[n] = before_[i];
    }
    for (const s of servers) {
      s.closeAllConnections();
      s.close();
    }
    rmSync(dir, { recursive: true });
  });

  async function textOf(client: HttpClient, url: string): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const c of await client.request({ url: new URL(url) })) chunks.push(Buffer.from(c as Uint8Array));
    return Buffer.concat(chunks).toString();
  }

  it('reach a registry by CONNECT, whose certificate is verified, and one in clear by its whole address', async () => {
    const client = new HttpClient({ ca: [cert] });
    try {
      assert.equal(await textOf(client, 'https://registry.test/v2/'), 'over TLS');
      assert.equal(await textOf(client, 'http://registry.test:5000/v2/'), 'in clear');
      const basic = Buffer.from('user:secret').toString('base64');
      assert.deepEqual(asked, ['CONNECT registry.test:443', `GET http://registry.test:5000/v2/ Basic ${basic}`]);
    } finally {
      client.close();
    }
    const strict = new HttpClient();
    await assert.rejects(textOf(strict, 'https://registry.test/v2/'), /self-signed certificate|unable to verify/);
    strict.close();
  });

  it('trust what the machine trusts', async () => {
    const before = process.env.SSL_CERT_FILE;
    process.env.SSL_CERT_FILE = join(dir, 'cert');
    const client = new HttpClient();
    try {
      assert.equal(await textOf(client, 'https://registry.test/v2/'), 'over TLS');
    } finally {
      client.close();
      if (before === undefined) delete process.env.SSL_CERT_FILE;
      else process.env.SSL_CERT_FILE = before;
    }
  });

  it('go by themselves where NO_PROXY says so', async () => {
    const client = new HttpClient();
    const count = asked.length;
    await assert.rejects(textOf(client, 'http://direct.test/'), /ENOTFOUND|EAI_AGAIN/);
    assert.equal(asked.length, count);
    client.close();
  });
});

describe('the patience of requests', () => {
  let server: Server;
  let answerAfterMs: number;
  before(async () => {
    server = createServer((req, res) => {
      req.resume().on('end', () => setTimeout(() => res.end('done'), answerAfterMs));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  async function put(more: Partial<HttpRequest>): Promise<number | undefined> {
    const client = new HttpClient({}, 100);
    try {
      const url = new URL(`http://127.0.0.1:${portOf(server)}`);
      const response = await client.request({ url, method: 'PUT', ...more });
      response.resume();
      return response.statusCode;
    } finally {
      client.close();
    }
  }

  it('ends when nobody answers for a while', async () => {
    answerAfterMs = 400;
    await assert.rejects(put({ body: 'x' }), /no answer from 127\.0\.0\.1:\d+ for 100 ms/);
  });

  it('is another for what takes time once all is sent', async () => {
    answerAfterMs = 400;
    for (const content of [{ body: 'x' }, { stream: () => Readable.from([Buffer.from('x')]) }]) {
      assert.equal(await put({ ...content, answerTimeoutMs: 5_000 }), 200);
    }
    answerAfterMs = 2_000;
    await assert.rejects(put({ body: 'x', answerTimeoutMs: 200 }), /no answer from 127\.0\.0\.1:\d+ for 200 ms/);
  });
});

describe('an archive at an address', () => {
  it('is missed in the words of Docker where nobody answers', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server);
    server.close();
    await once(server, 'close');
    const address = `http://127.0.0.1:${port}/a.tar`;
    const message = `Get "${address}": dial tcp 127.0.0.1:${port}: connect: connection refused`;
    await assert.rejects(
      fetchArchive(address).next(),
      (e) => isSwarmtsError(e, 'unavailable') && e.message === message,
    );
    const given = AbortSignal.abort(new Error('given up'));
    await assert.rejects(fetchArchive(address, given).next(), /given up/);
  });
});
