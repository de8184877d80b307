/** A program of its own, started inside of a lab: uses testcontainers as its users do, and prints what it saw as JSON. */
import { GenericContainer, Network, Wait } from 'testcontainers';

const network = await new Network().start();
const web = await new GenericContainer('registry:5000/whoami')
  .withNetwork(network)
  .withNetworkAliases('web')
  .withExposedPorts(8080)
  .withEnvironment({ PORT: '8080' })
  .withWaitStrategy(Wait.forListeningPorts())
  .start();
const box = await new GenericContainer('registry:5000/busybox')
  .withNetwork(network)
  .withCommand(['sleep', '1000'])
  .withCopyContentToContainer([{ content: 'copied', target: '/tmp/file' }])
  .start();
const answer = await fetch(`http://${web.getHost()}:${web.getMappedPort(8080)}/`);
const byAlias = await box.exec(['wget', '-qO-', 'http://web:8080/']);
const file = await box.exec(['cat', '/tmp/file']);
await box.stop();
await web.stop();
await network.stop();
process.stdout.write(
  JSON.stringify({ status: answer.status, byAlias: byAlias.exitCode, file: file.output, name: web.getName() }),
);
