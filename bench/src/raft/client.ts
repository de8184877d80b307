/** A client of both sides: plain HTTP/2 with the frames of gRPC, cheap enough not to be what is measured. */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { SecureContextOptions } from 'node:tls';
import { bytesField, frame, PUT, RANGE, readFields, STATUS, unframe } from './kv-protocol.js';

/** Connections that clients share. */
const MAX_CONNECTIONS = 8;

export interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class KvClient {
  readonly #sessions: ClientHttp2Session[];

  private constructor(sessions: ClientHttp2Session[]) {
    this.#sessions = sessions;
  }

  static async connect(port: number, tls: SecureContextOptions, connections: number): Promise<KvClient> {
    const sessions = await Promise.all(
      Array.from({ length: connections }, async () => {
        const session = connect(`https://127.0.0.1:${port}`, { ...tls });
        await new Promise<void>((resolve, reject) => {
          session.once('connect', () => resolve());
          session.once('error', reject);
        });
        session.on('error', () => undefined);
        return session;
      }),
    );
    return new KvClient(sessions);
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }

  call(path: string, message: Uint8Array, client = 0): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const session = this.#sessions[client % this.#sessions.length];
      if (session === undefined) {
        reject(new Error('there is no connection'));
        return;
      }
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let status: string | undefined;
      stream.on('response', (headers) => {
        const value = headers['grpc-status'];
        if (value !== undefined) status = String(value);
      });
      stream.on('trailers', (headers) => {
        status = String(headers['grpc-status']);
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        if (status === '0') resolve(unframe(Buffer.concat(chunks)));
        else reject(new Error(`${path} was answered with gRPC status ${status}`));
      });
      stream.end(frame(message));
    });
  }

  /** Whether this member leads. */
  async leads(): Promise<boolean> {
    const status = readFields(await this.call(STATUS, new Uint8Array(0)));
    const header = status.get(1);
    const self = header instanceof Buffer ? readFields(header).get(2) : undefined;
    return self !== undefined && self === status.get(4);
  }
}

export type Work = (client: number, count: number) => { readonly path: string; readonly message: Uint8Array };

const keyOf = (client: number, count: number): Buffer => Buffer.from(`key-${client}-${count % 1000}`);

/** `writes` puts values of so many bytes; `reads` asks for what such puts have written. */
export function writes(valueBytes: number): Work {
  const value = Buffer.alloc(valueBytes, 'v');
  return (client, count) => {
    return { path: PUT, message: Buffer.concat([bytesField(1, keyOf(client, count)), bytesField(2, value)]) };
  };
}

export const reads: Work = (client, count) => ({ path: RANGE, message: bytesField(1, keyOf(client, count)) });

export function connectionsFor(clients: number): number {
  return Math.min(clients, MAX_CONNECTIONS);
}

/** So many clients for so long, each with one request under way. */
export async function drive(client: KvClient, clients: number, durationMs: number, work: Work): Promise<Sample> {
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + durationMs;
  await Promise.all(
    Array.from({ length: clients }, async (_, each) => {
      for (let count = 0; performance.now() < end; count += 1) {
        const { path, message } = work(each, count);
        const start = performance.now();
        await client.call(path, message, each);
        latencies.push(performance.now() - start);
      }
    }),
  );
  const elapsedMs = performance.now() - begin;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0;
  return { perSecond: (latencies.length / elapsedMs) * 1000, p50Ms: at(0.5), p99Ms: at(0.99) };
}
