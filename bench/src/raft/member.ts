/**
 * One member of the raft-ts side, a process: `member.js ID DIRECTORY CERTIFICATES CLIENT-PORT ID=RAFT-PORT...`. A store of keys
 * and values in memory behind the same protocol as the peer's.
 */
import { readFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { type CommittedEntry, RaftNode } from 'raft-ts';
import { GrpcTransport } from 'raft-ts/grpc';
import { bytesField, frame, PUT, RANGE, readFields, STATUS, unframe, varintField } from './kv-protocol.js';

const [idText = '', dir = '', certificates = '', clientPort = '', ...list] = process.argv.slice(2);
const id = Number(idText);
const ports = new Map(list.map((each) => each.split('=').map(Number) as [number, number]));
const read = (name: string): Buffer => readFileSync(`${certificates}/${name}`);
const tls = { ca: read('ca.crt'), cert: read(`member-${id}.crt`), key: read(`member-${id}.key`) };

const KEY = 1;
const VALUE = 2;
const values = new Map<string, Buffer>();

const transport = new GrpcTransport({ tls, addressOf: (member) => `127.0.0.1:${ports.get(member)}` });
const node = await RaftNode.open({
  id,
  dir,
  bootstrapPeers: [...ports.keys()],
  transport,
  // As many as etcd takes between two of its snapshots.
  snapshotEntries: 100_000,
  trailingEntries: 5_000,
  stateMachine: {
    apply(entries: readonly CommittedEntry[]) {
      for (const { data } of entries) {
        // A copy: the entry's bytes are part of a larger message.
        const fields = readFields(Buffer.from(data));
        const [key, value] = [fields.get(KEY), fields.get(VALUE)];
        if (key instanceof Buffer && value instanceof Buffer) values.set(key.toString('latin1'), value);
      }
    },
    snapshot: () => Buffer.from(JSON.stringify([...values].map(([key, value]) => [key, value.toString('latin1')]))),
    restore(data: Uint8Array) {
      const pairs: [string, string][] = JSON.parse(Buffer.from(data).toString());
      values.clear();
      for (const [key, value] of pairs) values.set(key, Buffer.from(value, 'latin1'));
    },
  },
  onFatal: (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
});
transport.attach(node);
await transport.listen(`127.0.0.1:${ports.get(id)}`);
node.start();

async function answer(path: string, request: Buffer): Promise<Uint8Array> {
  switch (path) {
    case PUT:
      await node.propose(request);
      return new Uint8Array(0);
    case RANGE: {
      await node.readIndex();
      const key = readFields(request).get(KEY);
      const value = key instanceof Buffer ? values.get(key.toString('latin1')) : undefined;
      return value === undefined ? new Uint8Array(0) : bytesField(2, bytesField(5, value));
    }
    case STATUS: {
      const header = bytesField(1, varintField(2, BigInt(id)));
      return Buffer.concat([header, varintField(4, BigInt(node.status().leader))]);
    }
    default:
      throw new Error(`unknown method ${path}`);
  }
}

function serve(stream: ServerHttp2Stream, path: string): void {
  const chunks: Buffer[] = [];
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    const [first = Buffer.alloc(0)] = chunks;
    void finish(stream, answer(path, unframe(chunks.length === 1 ? first : Buffer.concat(chunks))));
  });
}

async function finish(stream: ServerHttp2Stream, answered: Promise<Uint8Array>): Promise<void> {
  let status = '0';
  let message: Uint8Array = new Uint8Array(0);
  try {
    message = await answered;
  } catch {
    status = '14';
  }
  if (stream.destroyed) return;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(frame(message));
}

const server = createSecureServer({ ...tls, requestCert: true, rejectUnauthorized: true });
server.on('stream', (stream, headers) => serve(stream, String(headers[':path'])));
server.listen(Number(clientPort), '127.0.0.1', () => process.stdout.write('ready\n'));
process.once('SIGTERM', () => process.exit(0));
