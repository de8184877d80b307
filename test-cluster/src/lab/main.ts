/** The command line of the lab. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Lab } from './lab.js';
import { REGISTRY_NAME, REGISTRY_PORT } from './registry.js';

const USAGE = `Usage: lab COMMAND [--name NAME]

  up --managers N --workers N [--no-join]   make a cluster on this machine; one line per node
  nodes                                     name, role, address, socket, pid, state
  exec NODE -- CMD...                       run a command in the node's namespaces
  kill|stop|cont|start|shutdown|restart NODE
                                            SIGKILL, SIGSTOP, SIGCONT, start again, SIGTERM, both
  poweroff NODE                             kill the daemon and everything it runs
  cut A B | isolate NODE | loss NODE PERCENT | heal
                                            faults of the network
  registry                                  name and address of the registry with the test images
  down                                      take everything down

The default name is "lab". Each node's socket works with DOCKER_HOST=unix://SOCKET and the docker command.
`;

export async function main(argv: readonly string[]): Promise<number> {
  const dash = argv.indexOf('--');
  const own = dash < 0 ? argv : argv.slice(0, dash);
  const command = dash < 0 ? [] : argv.slice(dash + 1);
  const { values, positionals } = parseArgs({
    args: [...own],
    allowPositionals: true,
    options: {
      name: { type: 'string', default: 'lab' },
      managers: { type: 'string', default: '3' },
      workers: { type: 'string', default: '2' },
      'no-join': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [verb, ...args] = positionals;
  if (values.help || verb === undefined) {
    process.stdout.write(USAGE);
    return verb === undefined && !values.help ? 1 : 0;
  }
  if (verb === 'up') {
    const count = (text: string, what: string) => {
      if (!/^\d+$/.test(text)) throw new Error(`invalid number of ${what}: '${text}'`);
      return Number(text);
    };
    await Lab.up({
      name: values.name,
      managers: count(values.managers, 'managers'),
      workers: count(values.workers, 'workers'),
      join: !values['no-join'],
      onNode: (line) => process.stdout.write(`${line}\n`),
    });
    return 0;
  }
  return onLab(Lab.open(values.name), verb, args, command);
}

async function onLab(lab: Lab, verb: string, args: readonly string[], command: readonly string[]): Promise<number> {
  const arg = (i: number, what: string) => {
    const a = args[i];
    if (a === undefined) throw new Error(`\`lab ${verb}\` needs ${what}`);
    return a;
  };
  switch (verb) {
    case 'nodes':
      for (const n of lab.nodes) process.stdout.write(`${lab.describe(n.name)}\n`);
      return 0;
    case 'exec':
      if (command.length === 0) throw new Error('`lab exec NODE -- CMD...` needs a command');
      return spawnSync('nsenter', [...lab.enter(arg(0, 'a node')), ...command], { stdio: 'inherit' }).status ?? 128;
    case 'kill':
      await lab.kill(arg(0, 'a node'));
      return 0;
    case 'stop':
      lab.signal(arg(0, 'a node'), 'SIGSTOP');
      return 0;
    case 'cont':
      lab.signal(arg(0, 'a node'), 'SIGCONT');
      return 0;
    case 'start':
      await lab.start(arg(0, 'a node'));
      return 0;
    case 'shutdown':
      await lab.shutdown(arg(0, 'a node'));
      return 0;
    case 'restart':
      await lab.restart(arg(0, 'a node'));
      return 0;
    case 'poweroff':
      await lab.poweroff(arg(0, 'a node'));
      return 0;
    case 'cut':
      lab.cut(arg(0, 'two nodes'), arg(1, 'two nodes'));
      return 0;
    case 'isolate':
      lab.isolate(arg(0, 'a node'));
      return 0;
    case 'loss': {
      const percent = Number(arg(1, 'a node and a percentage'));
      if (!Number.isInteger(percent) || percent < 0 || percent > 100)
        throw new Error(`invalid percentage '${args[1]}'`);
      lab.loss(arg(0, 'a node'), percent);
      return 0;
    }
    case 'heal':
      lab.heal();
      return 0;
    case 'registry':
      process.stdout.write(`${REGISTRY_NAME}:${REGISTRY_PORT} at ${lab.registryMachine.address}\n`);
      return 0;
    case 'down':
      await lab.down();
      return 0;
    default:
      throw new Error(`unknown command '${verb}'\n\n${USAGE}`);
  }
}
