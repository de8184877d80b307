/** A registry in this process whose every answer a test can bend: broken connections, wrong bytes, tokens, refusals. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sha256Digest } from './manifest.js';

export type Handler = (req: IncomingMessage, res: ServerResponse) => boolean;

export interface ScriptedImage {
  readonly id: string;
  readonly digest: string;
  readonly manifest: Buffer;
  readonly layers: readonly string[];
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export class ScriptedRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** "name/tag" or "name/digest" -> document. */
  readonly manifests = new Map<string, { data: Buffer; type: string }>();
  /** Every request as "METHOD path", with its range when it has one. */
  readonly requests: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Asked before the ordinary answer; true means that the request has been answered. */
  intercept: Handler = () => false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((req, res) => this.#answer(req, res));
  }

  static async start(): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get address(): string {
    // Listening on TCP since `start`.
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** An image with these layers (plain tar archives). */
  add(
    name: string,
    tag: string,
    layers: readonly Buffer[],
    more: { architecture?: string; diffIds?: string[] } = {},
  ): ScriptedImage {
    const config = Buffer.from(
      JSON.stringify({
        architecture: more.architecture ?? 'amd64',
        os: 'linux',
        config: { Cmd: ['sh'] },
        rootfs: { type: 'layers', diff_ids: more.diffIds ?? layers.map(sha256Digest) },
      }),
    );
    const descriptor = (data: Buffer, mediaType: string) => {
      this.blobs.set(sha256Digest(data), data);
      return { mediaType, digest: sha256Digest(data), size: data.length };
    };
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
        layers: layers.map((l) => descriptor(l, 'application/vnd.oci.image.layer.v1.tar')),
      }),
    );
    this.put(name, tag, manifest, OCI_MANIFEST);
    return { id: sha256Digest(config), digest: sha256Digest(manifest), manifest, layers: layers.map(sha256Digest) };
  }

  put(name: string, tag: string, data: Buffer, type: string): void {
    this.manifests.set(`${name}/${tag}`, { data, type });
    this.manifests.set(`${name}/${sha256Digest(data)}`, { data, type });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    const range = req.headers.range ? ` ${req.headers.range}` : '';
    this.requests.push(`${req.method} ${req.url}${range}`);
    this.authorizations.push(req.headers.authorization);
    if (this.intercept(req, res)) return;
    const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(req.url ?? '') ?? [];
    const found = kind === 'manifests' ? this.manifests.get(`${name}/${reference}`) : undefined;
    const blob = kind === 'blobs' ? this.blobs.get(reference) : undefined;
    if (found) send(res, 200, found.data, { 'content-type': found.type });
    else if (blob) sendBlob(req, res, blob);
    else refuse(res, 404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', 'unknown');
  }
}

export function refuse(
  res: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  send(res, status, Buffer.from(JSON.stringify({ errors: [{ code, message }] })), {
    'content-type': 'application/json',
    ...headers,
  });
}

export function send(res: ServerResponse, status: number, data: Buffer, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'content-length': data.length, ...headers });
  res.end(data);
}

/** Announces the whole blob, sends the first `bytes` and cuts the connection. */
export function sendBroken(res: ServerResponse, blob: Buffer, bytes: number): void {
  res.writeHead(200, { 'content-length': blob.length });
  res.write(blob.subarray(0, bytes), () => res.destroy());
}

function sendBlob(req: IncomingMessage, res: ServerResponse, blob: Buffer): void {
  const offset = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
  if (offset === 0) send(res, 200, blob);
  else send(res, 206, blob.subarray(offset), { 'content-range': `bytes ${offset}-${blob.length - 1}/${blob.length}` });
}
