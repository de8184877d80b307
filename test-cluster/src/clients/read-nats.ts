/** A program of its own, started inside of a lab: prints subject and data of all messages in a stream of JetStream, a line each. */
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const [servers = '', stream = ''] = process.argv.slice(2);
const connection = await connect({ servers });
const manager = await jetstreamManager(connection);
const { state } = await manager.streams.info(stream);
const { name } = await manager.consumers.add(stream, { ack_policy: AckPolicy.None });
const consumer = await jetstream(connection).consumers.get(stream, name);
if (state.messages > 0) {
  for await (const m of await consumer.fetch({ max_messages: state.messages, expires: 5_000 }))
    process.stdout.write(`${m.subject} ${m.string()}\n`);
}
await connection.close();
