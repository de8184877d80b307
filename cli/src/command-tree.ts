/**
 * The one table of commands: dispatch, help and completion all read it. A command's module is loaded only when that
 * command runs or is explained.
 */
import type { Command } from './command.js';

export interface Leaf {
  readonly summary: string;
  /** Not shown in the help. */
  readonly hidden?: boolean;
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

const stackDeploy = leaf('Deploy a new stack or update an existing stack', () => import('./commands/stack/deploy.js'));
const stackRm = leaf('Remove one or more stacks', () => import('./commands/stack/rm.js'));

const containerInspect = leaf(
  'Display detailed information on one or more containers',
  () => import('./commands/container/inspect.js'),
);
const containerKill = leaf('Kill one or more running containers', () => import('./commands/container/kill.js'));
const containerLogs = leaf('Fetch the logs of a container', () => import('./commands/container/logs.js'));
const containerLs = leaf('List containers', () => import('./commands/container/ls.js'));
const containerRm = leaf('Remove one or more containers', () => import('./commands/container/rm.js'));
const containerStart = leaf('Start one or more stopped containers', () => import('./commands/container/start.js'));
const containerStop = leaf('Stop one or more running containers', () => import('./commands/container/stop.js'));

const containerCommit = leaf(
  "Create a new image from a container's changes",
  () => import('./commands/container/commit.js'),
);
const imageBuild = leaf('Build an image from a Dockerfile', () => import('./commands/image/build.js'));
const imageHistory = leaf('Show the history of an image', () => import('./commands/image/history.js'));
const imageImport = leaf(
  'Import the contents from a tarball to create a filesystem image',
  () => import('./commands/image/import.js'),
);
const imagePush = leaf('Upload an image to a registry', () => import('./commands/image/push.js'));
const imageSave = leaf(
  'Save one or more images to a tar archive (streamed to STDOUT by default)',
  () => import('./commands/image/save.js'),
);
const imageLoad = leaf('Load an image from a tar archive or STDIN', () => import('./commands/image/load.js'));
const imageLs = leaf('List images', () => import('./commands/image/ls.js'));
const imagePull = leaf('Download an image from a registry', () => import('./commands/image/pull.js'));
const imageRm = leaf('Remove one or more images', () => import('./commands/image/rm.js'));
const imageTag = leaf('Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE', () => import('./commands/image/tag.js'));

const containerAttach = leaf(
  'Attach local standard input, output, and error streams to a running container',
  () => import('./commands/container/attach.js'),
);
const containerCp = leaf(
  'Copy files/folders between a container and the local filesystem',
  () => import('./commands/container/cp.js'),
);
const containerCreate = leaf('Create a new container', () => import('./commands/container/create.js'));
const containerDiff = leaf(
  "Inspect changes to files or directories on a container's filesystem",
  () => import('./commands/container/diff.js'),
);
const containerExec = leaf('Execute a command in a running container', () => import('./commands/container/exec.js'));
const containerExport = leaf(
  "Export a container's filesystem as a tar archive",
  () => import('./commands/container/export.js'),
);
const containerPause = leaf(
  'Pause all processes within one or more containers',
  () => import('./commands/container/pause.js'),
);
const containerPort = leaf(
  'List port mappings or a specific mapping for the container',
  () => import('./commands/container/port.js'),
);
const containerRename = leaf('Rename a container', () => import('./commands/container/rename.js'));
const containerRestart = leaf('Restart one or more containers', () => import('./commands/container/restart.js'));
const containerRun = leaf('Create and run a new container from an image', () => import('./commands/container/run.js'));
const containerStats = leaf(
  'Display a live stream of container(s) resource usage statistics',
  () => import('./commands/container/stats.js'),
);
const containerTop = leaf('Display the running processes of a container', () => import('./commands/container/top.js'));
const containerUnpause = leaf(
  'Unpause all processes within one or more containers',
  () => import('./commands/container/unpause.js'),
);
const containerUpdate = leaf(
  'Update configuration of one or more containers',
  () => import('./commands/container/update.js'),
);
const containerWait = leaf(
  'Block until one or more containers stop, then print their exit codes',
  () => import('./commands/container/wait.js'),
);

const systemEvents = leaf('Get real time events from the daemon', () => import('./commands/system/events.js'));
const systemInfo = leaf('Display system-wide information', () => import('./commands/system/info.js'));

export const commandTree: CommandTree = {
  groups: {
    builder: {
      summary: 'Manage builds',
      verbs: {
        build: imageBuild,
        prune: leaf('Remove build cache', () => import('./commands/builder/prune.js')),
      },
    },
    'client-cert': {
      summary: 'Manage certificates of clients of the API',
      verbs: {
        create: leaf(
          'Create a certificate for a client of the API on TCP',
          () => import('./commands/client-cert/create.js'),
        ),
        ls: leaf('List certificates of clients of the API', () => import('./commands/client-cert/ls.js')),
        revoke: leaf(
          'Take back one or more certificates of clients of the API',
          () => import('./commands/client-cert/revoke.js'),
        ),
      },
    },
    config: {
      summary: 'Manage Swarm configs',
      verbs: {
        create: leaf('Create a config from a file or STDIN', () => import('./commands/config/create.js')),
        inspect: leaf(
          'Display detailed information on one or more configs',
          () => import('./commands/config/inspect.js'),
        ),
        ls: leaf('List configs', () => import('./commands/config/ls.js')),
        prune: leaf('Remove configs that no service uses', () => import('./commands/config/prune.js')),
        rm: leaf('Remove one or more configs', () => import('./commands/config/rm.js')),
        update: leaf('Make a new version of a config', () => import('./commands/config/update.js')),
      },
    },
    secret: {
      summary: 'Manage Swarm secrets',
      verbs: {
        create: leaf('Create a secret from a file or STDIN as content', () => import('./commands/secret/create.js')),
        inspect: leaf(
          'Display detailed information on one or more secrets',
          () => import('./commands/secret/inspect.js'),
        ),
        ls: leaf('List secrets', () => import('./commands/secret/ls.js')),
        prune: leaf('Remove secrets that no service uses', () => import('./commands/secret/prune.js')),
        rm: leaf('Remove one or more secrets', () => import('./commands/secret/rm.js')),
        update: leaf('Make a new version of a secret', () => import('./commands/secret/update.js')),
      },
    },
    volume: {
      summary: 'Manage volumes',
      verbs: {
        create: leaf('Create a volume', () => import('./commands/volume/create.js')),
        inspect: leaf(
          'Display detailed information on one or more volumes',
          () => import('./commands/volume/inspect.js'),
        ),
        ls: leaf('List volumes', () => import('./commands/volume/ls.js')),
        prune: leaf('Remove unused local volumes', () => import('./commands/volume/prune.js')),
        rm: leaf('Remove one or more volumes', () => import('./commands/volume/rm.js')),
        update: leaf('Update a volume (cluster volumes only)', () => import('./commands/volume/update.js')),
      },
    },
    container: {
      summary: 'Manage containers',
      verbs: {
        commit: containerCommit,
        inspect: containerInspect,
        kill: containerKill,
        logs: containerLogs,
        ls: containerLs,
        rm: containerRm,
        start: containerStart,
        stop: containerStop,
        attach: containerAttach,
        cp: containerCp,
        create: containerCreate,
        diff: containerDiff,
        exec: containerExec,
        export: containerExport,
        pause: containerPause,
        port: containerPort,
        rename: containerRename,
        restart: containerRestart,
        run: containerRun,
        stats: containerStats,
        top: containerTop,
        unpause: containerUnpause,
        update: containerUpdate,
        wait: containerWait,
        prune: leaf('Remove all stopped containers', () => import('./commands/container/prune.js')),
      },
    },
    image: {
      summary: 'Manage images',
      verbs: {
        inspect: leaf(
          'Display detailed information on one or more images',
          () => import('./commands/image/inspect.js'),
        ),
        build: imageBuild,
        history: imageHistory,
        import: imageImport,
        load: imageLoad,
        ls: imageLs,
        prune: leaf('Remove unused images', () => import('./commands/image/prune.js')),
        pull: imagePull,
        push: imagePush,
        rm: imageRm,
        save: imageSave,
        tag: imageTag,
      },
    },
    network: {
      summary: 'Manage networks',
      verbs: {
        connect: leaf('Connect a container to a network', () => import('./commands/network/connect.js')),
        create: leaf('Create a network', () => import('./commands/network/create.js')),
        disconnect: leaf('Disconnect a container from a network', () => import('./commands/network/disconnect.js')),
        inspect: leaf(
          'Display detailed information on one or more networks',
          () => import('./commands/network/inspect.js'),
        ),
        ls: leaf('List networks', () => import('./commands/network/ls.js')),
        prune: leaf('Remove all unused networks', () => import('./commands/network/prune.js')),
        rm: leaf('Remove one or more networks', () => import('./commands/network/rm.js')),
      },
    },
    node: {
      summary: 'Manage Swarm nodes',
      verbs: {
        demote: leaf('Demote one or more nodes from manager in the swarm', () => import('./commands/node/demote.js')),
        inspect: leaf('Display detailed information on one or more nodes', () => import('./commands/node/inspect.js')),
        ls: leaf('List nodes in the swarm', () => import('./commands/node/ls.js')),
        promote: leaf('Promote one or more nodes to manager in the swarm', () => import('./commands/node/promote.js')),
        proxy: leaf(
          'Work on another node with any client, through the managers',
          () => import('./commands/node/proxy.js'),
        ),
        ps: leaf(
          'List tasks running on one or more nodes, defaults to current node',
          () => import('./commands/node/ps.js'),
        ),
        recover: leaf('Renew the expired certificate of this node', () => import('./commands/node/recover.js')),
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
        autoscale: leaf('Show how a service scales by itself', () => import('./commands/service/autoscale.js')),
        plan: leaf(
          'Show what an update would change, and where tasks would go',
          () => import('./commands/service/plan.js'),
        ),
        rebalance: leaf('Spread the tasks of services evenly', () => import('./commands/service/rebalance.js')),
        rollback: leaf("Revert changes to a service's configuration", () => import('./commands/service/rollback.js')),
        rm: leaf('Remove one or more services', () => import('./commands/service/rm.js')),
        schedule: leaf('Show the runs of a scheduled job', () => import('./commands/service/schedule.js')),
        scale: leaf('Scale one or multiple replicated services', () => import('./commands/service/scale.js')),
        update: leaf('Update a service', () => import('./commands/service/update.js')),
      },
    },
    stack: {
      summary: 'Manage Swarm stacks',
      verbs: {
        config: leaf(
          'Outputs the final config file, after doing merges and interpolations',
          () => import('./commands/stack/config.js'),
        ),
        deploy: stackDeploy,
        down: { ...stackRm, hidden: true },
        ls: leaf('List stacks', () => import('./commands/stack/ls.js')),
        ps: leaf('List the tasks in the stack', () => import('./commands/stack/ps.js')),
        rm: stackRm,
        services: leaf('List the services in the stack', () => import('./commands/stack/services.js')),
        up: { ...stackDeploy, hidden: true },
      },
    },
    system: {
      summary: 'Manage the daemon',
      verbs: {
        df: leaf('Show disk usage', () => import('./commands/system/df.js')),
        events: systemEvents,
        info: systemInfo,
        prune: leaf('Remove unused data', () => import('./commands/system/prune.js')),
      },
    },
    task: {
      summary: 'Manage tasks',
      verbs: {
        attach: leaf('Attach to a running task, on whatever node', () => import('./commands/task/attach.js')),
        cp: leaf(
          'Copy files/folders between a task, on whatever node, and the local filesystem',
          () => import('./commands/task/cp.js'),
        ),
        exec: leaf('Execute a command in a running task, on whatever node', () => import('./commands/task/exec.js')),
        explain: leaf('Explain where a task can run', () => import('./commands/task/explain.js')),
        logs: leaf('Fetch the logs of a task', () => import('./commands/task/logs.js')),
        stats: leaf('Display the resource usage of a task, on whatever node', () => import('./commands/task/stats.js')),
        top: leaf('Display the running processes of a task, on whatever node', () => import('./commands/task/top.js')),
      },
    },
    swarm: {
      summary: 'Manage Swarm',
      verbs: {
        init: swarmInit,
        join: swarmJoin,
        'join-token': leaf('Manage join tokens', () => import('./commands/swarm/join-token.js')),
        leave: swarmLeave,
        ca: leaf('Display and rotate the root CA', () => import('./commands/swarm/ca.js')),
        unlock: leaf('Unlock swarm', () => import('./commands/swarm/unlock.js')),
        'unlock-key': leaf('Manage the unlock key', () => import('./commands/swarm/unlock-key.js')),
        update: leaf('Update the swarm', () => import('./commands/swarm/update.js')),
      },
    },
  },
  commands: {
    init: swarmInit,
    join: swarmJoin,
    leave: swarmLeave,
    completion: leaf('Generate the autocompletion script for a shell', () => import('./commands/system/completion.js')),
    doctor: leaf('Check what this machine lacks to run swarmts', () => import('./commands/system/doctor.js')),
    events: systemEvents,
    build: imageBuild,
    commit: containerCommit,
    history: imageHistory,
    images: imageLs,
    import: imageImport,
    info: systemInfo,
    inspect: leaf('Return low-level information on objects', () => import('./commands/system/inspect.js')),
    kill: containerKill,
    load: imageLoad,
    logs: containerLogs,
    ps: containerLs,
    login: leaf('Authenticate to a registry', () => import('./commands/registry/login.js')),
    logout: leaf('Log out from a registry', () => import('./commands/registry/logout.js')),
    pull: imagePull,
    push: imagePush,
    rm: containerRm,
    rmi: imageRm,
    save: imageSave,
    search: leaf('Search a registry for images', () => import('./commands/registry/search.js')),
    start: containerStart,
    stop: containerStop,
    attach: containerAttach,
    cp: containerCp,
    create: containerCreate,
    diff: containerDiff,
    exec: containerExec,
    export: containerExport,
    pause: containerPause,
    port: containerPort,
    rename: containerRename,
    restart: containerRestart,
    run: containerRun,
    stats: containerStats,
    top: containerTop,
    unpause: containerUnpause,
    update: containerUpdate,
    wait: containerWait,
    tag: imageTag,
    version: leaf('Show the version information of client and daemon', () => import('./commands/system/version.js')),
    __complete: { ...leaf('Print the words that fit', () => import('./commands/system/complete.js')), hidden: true },
  },
};
