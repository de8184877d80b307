/**
 * The flags of `service create` and `service update`. What both have is in `sharedFlags`; a list is `--x` for create and
 * the pair `--x-add`, `--x-rm` for update. The keys of `listParsers` are therefore the lists of a service's spec.
 */
import {
  bool,
  type Flag,
  list,
  optional,
  optionalBool,
  optionalFloat,
  optionalInt,
  optionalText,
  optionalUint,
  texts,
} from '../args/flag.js';
import { parseBytes, parseCpus, parseDuration, parsePositiveDuration, parseSwapBytes } from '../args/quantity.js';
import {
  capability,
  parseConfig,
  parseCredentialSpec,
  parseGenericResource,
  parseHostEntry,
  parseIpAddress,
  parseNetwork,
  parsePair,
  parsePreference,
  parseSecret,
  parseUlimit,
  shellWords,
} from './flag-values.js';
import { parseMount } from './mount.js';
import { parsePublish } from './publish.js';

const DURATION = '(ns|us|ms|s|m|h)';
const duration = (help: string, defaultText?: string): Flag<number | undefined> =>
  optional('duration', `${help} ${DURATION}`, parsePositiveDuration, defaultText === undefined ? {} : { defaultText });

const updateFailureActions = ['pause', 'continue', 'rollback'];
const rollbackFailureActions = ['pause', 'continue'];
const orders = ['start-first', 'stop-first'];

export const sharedFlags = {
  detach: bool('Exit immediately instead of waiting for the service to converge', { short: 'd' }),
  quiet: bool('Suppress progress output', { short: 'q' }),
  workdir: optionalText('Working directory inside the container', { short: 'w' }),
  user: optionalText('Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  hostname: optionalText('Container hostname'),
  entrypoint: optional('command', 'Overwrite the default ENTRYPOINT of the image', shellWords),
  tty: optionalBool('Allocate a pseudo-TTY', { short: 't' }),
  'read-only': optionalBool("Mount the container's root filesystem as read only"),
  init: optionalBool('Use an init inside each service container to forward signals and reap processes'),
  isolation: optionalText('Service container isolation mode'),
  'credential-spec': optional(
    'credential-spec',
    'Credential spec for managed service account (Windows only)',
    parseCredentialSpec,
  ),
  'stop-signal': optionalText('Signal to stop the container'),
  'stop-grace-period': duration('Time to wait before force killing a container', '10s'),
  'with-registry-auth': bool('Send registry authentication details to swarm agents'),
  'no-resolve-image': bool('Do not query the registry to resolve image digest and supported platforms'),

  'limit-cpu': optional('decimal', 'Limit CPUs', parseCpus),
  'limit-memory': optional('bytes', 'Limit Memory', parseBytes),
  'limit-pids': optionalInt('Limit maximum number of processes (0 = unlimited)'),
  'reserve-cpu': optional('decimal', 'Reserve CPUs', parseCpus),
  'reserve-memory': optional('bytes', 'Reserve Memory', parseBytes),
  'memory-swap': optional('bytes', 'Swap Bytes (-1 for unlimited)', parseSwapBytes),
  'memory-swappiness': optionalInt('Tune memory swappiness (0-100), -1 to reset to default'),
  'oom-score-adj': optionalInt("Tune host's OOM preferences (-1000 to 1000)"),
  'cap-add': list('list', 'Add Linux capabilities', capability),
  'cap-drop': list('list', 'Drop Linux capabilities', capability),

  replicas: optionalUint('Number of tasks'),
  'max-concurrent': optionalUint('Number of job tasks to run concurrently (default equal to --replicas)'),
  'replicas-max-per-node': optionalUint('Maximum number of tasks per node (default 0 = unlimited)'),

  'restart-condition': optionalText('Restart when condition is met ("none", "on-failure", "any")', {
    choices: ['none', 'on-failure', 'any'],
    defaultText: '"any"',
  }),
  'restart-delay': duration('Delay between restart attempts', '5s'),
  'restart-max-attempts': optionalUint('Maximum number of restarts before giving up'),
  'restart-window': duration('Window used to evaluate the restart policy'),

  'update-parallelism': optionalUint('Maximum number of tasks updated simultaneously (0 to update all at once)', {
    defaultText: '1',
  }),
  'update-delay': duration('Delay between updates', '0s'),
  'update-monitor': duration('Duration after each task update to monitor for failure', '5s'),
  'update-failure-action': optionalText('Action on update failure ("pause", "continue", "rollback")', {
    choices: updateFailureActions,
    defaultText: '"pause"',
  }),
  'update-max-failure-ratio': optionalFloat('Failure rate to tolerate during an update', { defaultText: '0' }),
  'update-order': optionalText('Update order ("start-first", "stop-first")', {
    choices: orders,
    defaultText: '"stop-first"',
  }),
  'rollback-parallelism': optionalUint(
    'Maximum number of tasks rolled back simultaneously (0 to roll back all at once)',
    {
      defaultText: '1',
    },
  ),
  'rollback-delay': duration('Delay between task rollbacks', '0s'),
  'rollback-monitor': duration('Duration after each task rollback to monitor for failure', '5s'),
  'rollback-failure-action': optionalText('Action on rollback failure ("pause", "continue")', {
    choices: rollbackFailureActions,
    defaultText: '"pause"',
  }),
  'rollback-max-failure-ratio': optionalFloat('Failure rate to tolerate during a rollback', { defaultText: '0' }),
  'rollback-order': optionalText('Rollback order ("start-first", "stop-first")', {
    choices: orders,
    defaultText: '"stop-first"',
  }),

  'update-progress-deadline': optionalText(
    'Time for a new task to come up before it counts as failed (ns|us|ms|s|m|h)',
    {
      defaultText: '10m',
    },
  ),
  schedule: optionalText('Run a job at the times of a cron expression ("" to stop that)'),
  'schedule-timezone': optionalText('Time zone of the schedule', { defaultText: '"UTC"' }),
  'schedule-concurrency': optionalText(
    'When the run before is still under way: leave one out or replace it ("forbid", "replace")',
    {
      choices: ['forbid', 'replace'],
      defaultText: '"forbid"',
    },
  ),
  autoscale: optionalText(
    'Scale by use: min=N,max=N,cpu=PERCENT,memory=PERCENT[,up=DURATION][,down=DURATION] ("" to stop that)',
  ),
  rebalance: optionalText('Move tasks when nodes come or come back ("auto", "off")', {
    choices: ['auto', 'off'],
    defaultText: '"off"',
  }),
  'pin-volumes': optionalBool('Keep each slot on the node that has its named volumes'),
  privileged: optionalBool('Give extended privileges to the containers'),
  userns: optionalText('User namespace: "host" for the ids of the machine ("" for what the node has)'),
  'shm-size': optionalText('Size of /dev/shm'),
  device: optionalText('Devices of the node, comma separated: SOURCE[:TARGET[:rwm]] ("" for none)'),
  gpus: optionalText('GPUs described by CDI: "all", a number, or names ("" for none)'),
  'security-opt': optionalText('Security options, comma separated ("" for none)'),
  'publish-host-ip': optionalText(
    'Addresses of host-mode ports, comma separated: PORT[/PROTOCOL]=ADDRESS ("" for none)',
  ),

  'endpoint-mode': optionalText('Endpoint mode (vip or dnsrr)', { choices: ['vip', 'dnsrr'], defaultText: '"vip"' }),
  'log-driver': optionalText('Logging driver for service'),
  'log-opt': list('list', 'Logging driver options', parsePair),
  'health-cmd': optionalText('Command to run to check health'),
  'health-interval': duration('Time between running the check'),
  'health-timeout': duration('Maximum time to allow one check to run'),
  'health-retries': optionalInt('Consecutive failures needed to report unhealthy'),
  'health-start-period': duration(
    'Start period for the container to initialize before counting retries towards unstable',
  ),
  'health-start-interval': optional(
    'duration',
    `Time between running the check during the start period ${DURATION}`,
    parseDuration,
  ),
  'no-healthcheck': optionalBool('Disable any container-specified HEALTHCHECK'),
};

/** Lists whose entries have a syntax; what `-rm` names is the entry's key and stays text. */
export const createListFlags = {
  label: list('list', 'Service labels', parsePair, { short: 'l' }),
  'container-label': list('list', 'Container labels', parsePair),
  env: texts('Set environment variables', { short: 'e' }),
  group: texts('Set one or more supplementary user groups for the container'),
  constraint: texts('Placement constraints'),
  'placement-pref': list('pref', 'Add a placement preference', parsePreference),
  mount: list('mount', 'Attach a filesystem mount to the service', parseMount),
  publish: list('port', 'Publish a port as a node port', parsePublish, { short: 'p' }),
  network: list('network', 'Network attachments', parseNetwork),
  secret: list('secret', 'Specify secrets to expose to the service', parseSecret),
  config: list('config', 'Specify configurations to expose to the service', parseConfig),
  host: list('list', 'Set one or more custom host-to-IP mappings (host:ip)', parseHostEntry),
  dns: list('list', 'Set custom DNS servers', parseIpAddress),
  'dns-option': texts('Set DNS options'),
  'dns-search': texts('Set custom DNS search domains'),
  'generic-resource': list('list', 'User defined resources', parseGenericResource),
  ulimit: list('ulimit', 'Ulimit options', parseUlimit),
  sysctl: list('list', 'Sysctl options', parsePair),
};

export type ServiceLists = typeof createListFlags;
export type ListName = keyof ServiceLists;

export const createFlags = {
  ...sharedFlags,
  ...createListFlags,
  name: optionalText('Service name'),
  mode: optionalText('Service mode ("replicated", "global", "replicated-job", "global-job")', {
    choices: ['replicated', 'global', 'replicated-job', 'global-job'],
    defaultText: '"replicated"',
  }),
  'env-file': texts('Read in a file of environment variables'),
};

type Added = { readonly [K in ListName as `${K}-add`]: ServiceLists[K] };
type Removed = { readonly [K in ListName as `${K}-rm`]: Flag<readonly string[]> };

function pairsOfUpdate(): Added & Removed {
  const out: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(createListFlags)) {
    // Shorts belong to create: -e and -p would leave open whether they add or replace.
    const { short: _, ...rest } = { short: undefined, ...flag };
    out[`${name}-add`] = { ...rest, help: `Add or update: ${flag.help.charAt(0).toLowerCase()}${flag.help.slice(1)}` };
    out[`${name}-rm`] = texts(`Remove by key: ${flag.help.charAt(0).toLowerCase()}${flag.help.slice(1)}`);
  }
  // Built from the keys of createListFlags, so it has exactly these keys.
  return out as Added & Removed;
}

export const updateFlags = {
  ...sharedFlags,
  ...pairsOfUpdate(),
  image: optionalText('Service image tag'),
  args: optional('command', 'Service command args', shellWords),
  force: bool('Force update even if no changes require it'),
  rollback: bool('Rollback to previous specification'),
};
