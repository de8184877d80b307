import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { HttpClient } from './http-request.js';
import { certificatesFor } from './registry-client.js';

describe('certificates of registries', () => {
  let dir: string;
  let server: Server;
  let base: URL;
  const certificate = () => join(dir, 'cert');
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-tls-'));
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const files = ['-keyout', join(dir, 'key'), '-out', certificate()];
    execFileSync('openssl', [...make, ...files, ...subject], { stdio: 'pipe' });
    const [cert, key] = [readFileSync(certificate()), readFileSync(join(dir, 'key'))];
    server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (req, res) => {
      const peer = req.socket instanceof TLSSocket ? req.socket.getPeerCertificate() : undefined;
      res.end(peer?.subject === undefined ? 'anybody' : 'known');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = new URL(`https://localhost:${(server.address() as AddressInfo).port}`);
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(dir, { recursive: true });
  });

  /** A directory with these files for the registry, behind one that does not know it. */
  function directories(files: Readonly<Record<string, string>>): string[] {
    const certs = mkdtempSync(join(dir, 'certs-'));
    mkdirSync(join(certs, base.host));
    for (const [file, from] of Object.entries(files)) cpSync(from, join(certs, base.host, file));
    return [join(dir, 'nonexistent'), certs];
  }
  async function ask(files: Readonly<Record<string, string>>, verifyTls = true): Promise<string> {
    const found = await certificatesFor({ base, verifyTls, mirror: false }, directories(files));
    const client = new HttpClient({ ...found, rejectUnauthorized: verifyTls });
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of await client.request({ url: base })) chunks.push(Buffer.from(chunk as Uint8Array));
      return Buffer.concat(chunks).toString();
    } finally {
      client.close();
    }
  }

  it('make an authority known, which nobody else trusts', async () => {
    await assert.rejects(ask({}), /self-signed certificate|unable to verify/);
    assert.equal(await ask({ 'ca.crt': certificate() }), 'anybody');
    assert.equal(await ask({}, false), 'anybody', 'an insecure registry is not verified');
  });

  it('show the registry who asks', async () => {
    const files = { 'ca.crt': certificate(), 'client.cert': certificate(), 'client.key': join(dir, 'key') };
    assert.equal(await ask(files), 'known');
    const half = { 'ca.crt': certificate(), 'client.cert': certificate() };
    await assert.rejects(ask(half), /missing key client\.key for client certificate client\.cert in /);
  });
});
