/** `swarmts-ports SOCKET`: forwards published ports as a process of its own, so that their connections outlive the daemon. */
import { createLogger, messageOf, stderrSink, systemClock } from '@swarmts/lib';
import { serveControl } from '../control/serve-control.js';
import { PortForwarder } from './port-forwarder.js';
import { FORWARD_PROTOCOL, type ForwardUpdate } from './protocol.js';

async function main(path: string): Promise<void> {
  process.title = 'swarmts-ports';
  const forwarder = new PortForwarder(systemClock);
  await serveControl<ForwardUpdate>({
    path,
    protocol: FORWARD_PROTOCOL,
    apply: (update) => forwarder.apply(update),
    isIdle: () => forwarder.size === 0,
    log: createLogger(stderrSink('info')),
  });
}

const [, , path] = process.argv;
if (path === undefined) {
  process.stderr.write('usage: swarmts-ports SOCKET\n');
  process.exit(1);
}
main(path).catch((e: unknown) => {
  process.stderr.write(`swarmts-ports: ${messageOf(e)}\n`);
  process.exit(1);
});
