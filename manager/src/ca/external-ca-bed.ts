/** For tests: an external CA on loopback with a root of its own, which signs as ordered or says what a test wants it to. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { NodeRole } from '@swarmts/proto';
import {
  type CertificateOrder,
  createRequest,
  createRootCa,
  type KeyAndCert,
  nodeCertificateOrder,
  parseRequest,
  signCertificate,
} from './certificates.js';
import type { CfsslRequest } from './cfssl.js';
import { crossSign } from './new-root.js';

const HOUR_MS = 3_600_000;

export interface Signed {
  readonly body: CfsslRequest;
  /** OU of the certificate that the client showed, '' without one. */
  readonly clientUnit: string;
}

export class ExternalCaBed {
  readonly root: KeyAndCert;
  readonly requests: Signed[] = [];
  /** What the CA makes of an order; by default nothing else. */
  alter: (order: CertificateOrder) => Partial<CertificateOrder> & { readonly signer?: KeyAndCert } = () => ({});
  /** It has a profile for certificates of CAs. */
  signsCas = false;
  /** Answers in the place of the CA where it returns true. */
  instead: (answer: ServerResponse) => boolean = () => false;
  readonly #server: Server;
  #port = 0;

  private constructor(root: KeyAndCert, server: KeyAndCert, clients: 'asked' | 'required') {
    this.root = root;
    this.#server = createServer({
      cert: server.certPem,
      key: server.keyPem,
      ca: root.certPem,
      requestCert: true,
      rejectUnauthorized: clients === 'required',
    });
    this.#server.on('request', (request, answer) => {
      this.#serve(request, answer).catch((e: unknown) => answer.writeHead(500).end(String(e)));
    });
  }

  static async start(
    o: { readonly root?: KeyAndCert; readonly clients?: 'asked' | 'required' } = {},
  ): Promise<ExternalCaBed> {
    const root = o.root ?? (await createRootCa(Date.now()));
    const bed = new ExternalCaBed(root, await serverCertificate(root), o.clients ?? 'asked');
    await bed.listen();
    return bed;
  }

  /** At the port of before where it has listened already. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}/api/v1/cfssl/sign`;
  }

  async #serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as CfsslRequest;
    const peer = (
      request.socket as unknown as { getPeerCertificate(): { subject?: { OU?: string } } }
    ).getPeerCertificate();
    this.requests.push({ body, clientUnit: peer.subject?.OU ?? '' });
    if (this.instead(answer)) return;
    const certificate = await this.#sign(body);
    answer.end(JSON.stringify({ success: true, result: { certificate }, errors: [], messages: [] }));
  }

  async #sign({ certificate_request: csrPem, hosts, subject, profile }: CfsslRequest): Promise<string> {
    if (profile === 'CA' && this.signsCas) {
      return crossSign(this.root, await parseRequest(csrPem), Date.now());
    }
    const [{ O: clusterId = '', OU: unit = '' } = {}] = subject.names;
    const order = nodeCertificateOrder({
      ...{ csrPem, clusterId, nodeId: subject.CN },
      role: NodeRole.WORKER,
      validForMs: HOUR_MS,
      nowMs: Date.now(),
    });
    const ordered = { ...order, unit, dnsNames: hosts };
    const { signer, ...altered } = this.alter(ordered);
    return signCertificate(signer ?? this.root, { ...ordered, ...altered });
  }
}

/** What an external CA shows to its clients: a certificate of the root that it has the key of. */
async function serverCertificate(root: KeyAndCert): Promise<KeyAndCert> {
  const { keyPem, csrPem } = await createRequest();
  const order = nodeCertificateOrder({
    ...{ csrPem, clusterId: 'ca', nodeId: 'ca' },
    role: NodeRole.WORKER,
    validForMs: HOUR_MS,
    nowMs: Date.now(),
  });
  return {
    keyPem,
    certPem: await signCertificate(root, { ...order, dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
  };
}
