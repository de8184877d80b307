/** Filters of lists, of events and of prunes, and what is refused before anything is made. */
import { type CliStep, IMAGE, step } from './step.js';

/** Among those of these steps: there are others, of builds that have failed. */
const listed = (name: string, filter: string): CliStep =>
  step(name, ['ps', '-a', '--filter', 'label=x', '--filter', filter, '--format', '{{.Names}}']);

const containers: readonly CliStep[] = [
  step('filter-run', `run -d --name f1 -l x=y -v vol1:/v -v /tmp:/t --network none ${IMAGE} sleep 1000`, {
    prepares: true,
  }),
  step('filter-create', `create --name f2 -l x=z ${IMAGE} true`, { prepares: true }),
  listed('ps-name', 'name=^f1$'),
  listed('ps-name-part', 'name=f'),
  listed('ps-name-slash', 'name=/f2'),
  listed('ps-name-unreadable', 'name=['),
  listed('ps-label', 'label=x'),
  listed('ps-volume', 'volume=vol1'),
  listed('ps-volume-source', 'volume=/tmp'),
  listed('ps-volume-target', 'volume=/v'),
  listed('ps-network', 'network=none'),
  listed('ps-ancestor', `ancestor=${IMAGE}`),
  listed('ps-before', 'before=f2'),
  listed('ps-since', 'since=f1'),
  listed('ps-status', 'status=created'),
  listed('ps-health', 'health=none'),
  listed('ps-exited', 'exited=0'),
  listed('ps-is-task', 'is-task=false'),
  listed('ps-is-task-bad', 'is-task=nope'),
  listed('ps-isolation', 'isolation=default'),
  step('inspect-size', ['inspect', '--size', '--format', '{{.SizeRw}}', 'f1']),
  step('events-image', [
    'events',
    '--since=10m',
    '--until=0s',
    `--filter=image=${IMAGE}`,
    '--filter=event=create',
    // The client cuts off the fraction of a second: it must have been a while ago.
    '--filter=container=web',
    '--format={{.Action}} {{.Actor.Attributes.name}}',
  ]),
  step('run-own-address', `run --rm --ip 172.29.0.9 ${IMAGE} true`),
  step('run-host-name', `run --rm --uts host --hostname x ${IMAGE} hostname`),
  step('run-readonly-anonymous', `run --rm --mount type=volume,target=/m,readonly ${IMAGE} true`),
  step('run-bad-platform', `create --pull always --platform nope ${IMAGE}`),
  step('network-connect-host', 'network connect host f1'),
];

const lists: readonly CliStep[] = [
  step('volume-ls-name', 'volume ls -q --filter name=^vol1$'),
  step('volume-create-no-device', 'volume create -o type=tmpfs x1'),
  step('volume-create-no-type', 'volume create -o device=/x x1'),
  step('network-ls-name', ['network', 'ls', '--filter', 'name=^host$', '--format', '{{.Name}}']),
  step('network-ls-type', ['network', 'ls', '--filter', 'type=builtin', '--format', '{{.Driver}}']),
  step('network-create-host', 'network create -d host x'),
  step('network-create-default', 'network create default'),
  step('network-create-ingress', 'network create --ingress x'),
  step('images-since', ['images', '--filter', `since=${IMAGE}`, '--format', '{{.Repository}}']),
  step('images-before-missing', 'images --filter before=none:1'),
  step('plugin-ls-bad-filter', 'plugin ls --filter nope=1'),
  step('import-bad-change', ['import', '-c', 'NOPE x', '-', 'imp:1'], { input: 'x' }),
  step('import-nonsense', 'import - imp:1', { input: 'nonsense' }),
];

const prunes: readonly CliStep[] = [
  step('system-prune-until', 'system prune -f --filter until=1h'),
  step('system-prune-label', 'system prune -f --filter label=zz'),
  step('system-prune-not-label', 'system prune -f --filter label!=x'),
  step('system-prune-volumes', 'system prune -f --volumes --filter label=zz'),
  step('system-prune-volumes-until', 'system prune -f --volumes --filter until=1h'),
  step('image-prune-until', 'image prune -f --filter until=1h'),
  step('network-prune-until', 'network prune -f --filter until=1h'),
  step('builder-prune', 'builder prune -f --filter until=1h'),
  step('volume-prune-optioned-create', 'volume create -o type=tmpfs -o device=tmpfs optioned', { prepares: true }),
  step('filter-rm', 'rm -f -v f1 f2', { prepares: true }),
  step('volume-prune', 'volume prune -f'),
  step('volume-ls-kept', 'volume ls -q'),
  step('volume-optioned-rm', 'volume rm optioned', { prepares: true }),
];

export const filterSteps: readonly CliStep[] = [...containers, ...lists, ...prunes];
