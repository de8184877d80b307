// A replicated key-value store: node server.mjs ID DIRECTORY CERTIFICATES ID=HOST:RAFT-PORT:HTTPS-PORT...
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { isRaftError, RaftNode } from 'raft-ts';
import { GrpcTransport } from 'raft-ts/grpc';

const [id, dir, certificates, ...list] = process.argv.slice(2);
const members = new Map(
  list.map((each) => {
    const [member, host, raftPort, httpsPort] = each.split(/[=:]/);
    return [Number(member), { raft: `${host}:${raftPort}`, url: `https://${host}:${httpsPort}`, httpsPort }];
  }),
);
const self = members.get(Number(id));
const read = (name) => readFileSync(`${certificates}/${name}`);
const tls = { ca: read('ca.crt'), cert: read(`member-${id}.crt`), key: read(`member-${id}.key`) };

let values = new Map();
const stateMachine = {
  apply(entries) {
    for (const { data } of entries) values.set(...JSON.parse(Buffer.from(data).toString()));
  },
  snapshot: () => Buffer.from(JSON.stringify([...values])),
  restore(data) {
    values = new Map(JSON.parse(Buffer.from(data).toString()));
  },
};

const transport = new GrpcTransport({
  tls,
  addressOf: (member) => members.get(member)?.raft,
  memberOf: ({ subject }) => Number(/^member-(\d+)$/.exec(subject.CN)?.[1]),
});
const node = await RaftNode.open({
  id: Number(id),
  dir,
  bootstrapPeers: [...members.keys()],
  transport,
  stateMachine,
  onFatal(error) {
    console.error(`${error.code}: ${error.message}`);
    process.exit(1);
  },
});
transport.attach(node);
await transport.listen(self.raft);
node.start();

async function answer(request, response) {
  const key = decodeURIComponent(request.url.slice(1));
  if (request.method === 'PUT') {
    await node.propose(Buffer.from(JSON.stringify([key, await text(request)])));
    response.writeHead(204).end();
  } else {
    await node.readIndex(); // what was acknowledged before this request is here to be read now
    response.writeHead(values.has(key) ? 200 : 404).end(values.get(key));
  }
}

const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
  answer(request, response).catch((error) => {
    const leader = isRaftError(error, 'not-leader') && members.get(error.leader);
    if (leader) response.writeHead(307, { location: leader.url + request.url }).end();
    // 503: nothing has happened, 504: it may yet happen.
    else response.writeHead(error.outcomeUnknown ? 504 : 503).end(`${error.message}\n`);
  });
}).listen(self.httpsPort, () => console.log(`member ${id} at ${self.url}`));

process.once('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await node.stop();
  await transport.close();
});
