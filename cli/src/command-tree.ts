/**
 * The one table of commands: dispatch, help and completion all read it. A command's module is loaded only when that
 * command runs or is explained.
 */
import type { Command } from './command.js';

export interface Leaf {
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

export interface Group {
  readonly summary: string;
  readonly verbs: Readonly<Record<string, Leaf>>;
}

export interface CommandTree {
  readonly groups: Readonly<Record<string, Group>>;
  readonly commands: Readonly<Record<string, Leaf>>;
}

const leaf = (summary: string, load: Leaf['load']): Leaf => ({ summary, load });

const swarmInit = leaf('Initialize a swarm', () => import('./commands/swarm/init.js'));
const swarmJoin = leaf('Join a swarm as a node and/or manager', () => import('./commands/swarm/join.js'));
const swarmLeave = leaf('Leave the swarm', () => import('./commands/swarm/leave.js'));

export const commandTree: CommandTree = {
  groups: {
    node: {
      summary: 'Manage Swarm nodes',
      verbs: {
        demote: leaf('Demote one or more nodes from manager in the swarm', () => import('./commands/node/demote.js')),
        inspect: leaf('Display detailed information on one or more nodes', () => import('./commands/node/inspect.js')),
        ls: leaf('List nodes in the swarm', () => import('./commands/node/ls.js')),
        promote: leaf('Promote one or more nodes to manager in the swarm', () => import('./commands/node/promote.js')),
        ps: leaf(
          'List tasks running on one or more nodes, defaults to current node',
          () => import('./commands/node/ps.js'),
        ),
        rm: leaf('Remove one or more nodes from the swarm', () => import('./commands/node/rm.js')),
        update: leaf('Update a node', () => import('./commands/node/update.js')),
      },
    },
    service: {
      summary: 'Manage Swarm services',
      verbs: {
        create: leaf('Create a new service', () => import('./commands/service/create.js')),
        explain: leaf(
          'Show why a service fits or does not fit on each node',
          () => import('./commands/service/explain.js'),
        ),
        inspect: leaf(
          'Display detailed information on one or more services',
          () => import('./commands/service/inspect.js'),
        ),
        logs: leaf('Fetch the logs of a service or task', () => import('./commands/service/logs.js')),
        ls: leaf('List services', () => import('./commands/service/ls.js')),
        ps: leaf('List the tasks of one or more services', () => import('./commands/service/ps.js')),
        rollback: leaf("Revert changes to a service's configuration", () => import('./commands/service/rollback.js')),
        rm: leaf('Remove one or more services', () => import('./commands/service/rm.js')),
        scale: leaf('Scale one or multiple replicated services', () => import('./commands/service/scale.js')),
        update: leaf('Update a service', () => import('./commands/service/update.js')),
      },
    },
    swarm: {
      summary: 'Manage Swarm',
      verbs: {
        init: swarmInit,
        join: swarmJoin,
        'join-token': leaf('Manage join tokens', () => import('./commands/swarm/join-token.js')),
        leave: swarmLeave,
      },
    },
  },
  commands: {
    init: swarmInit,
    join: swarmJoin,
    leave: swarmLeave,
  },
};
