/** SIGHUP: what may change while the daemon runs is taken from the settings anew. As dockerd has it, everything else needs a restart. */
import { type Logger, messageOf } from '@swarmts/lib';
import { type DaemonConfig, parseDaemonArgs } from './config.js';

type Reloaded = Pick<
  DaemonConfig,
  'logLevel' | 'debug' | 'labels' | 'genericResources' | 'insecureRegistries' | 'registryMirrors'
>;

/** As events tell of them: lists as JSON. */
export function reloadedSettings(config: Pick<DaemonConfig, 'defaultRuntime' | 'runtimes'> & Reloaded) {
  return {
    debug: String(config.debug),
    'default-runtime': config.defaultRuntime,
    'insecure-registries': JSON.stringify(config.insecureRegistries),
    labels: JSON.stringify(config.labels),
    // Containers always go on while the daemon is away.
    'live-restore': 'true',
    'registry-mirrors': JSON.stringify(config.registryMirrors),
    runtimes: Object.entries(config.runtimes)
      .map(([name, path]) => `${name}:${path}`)
      .join(' '),
  };
}

/** `config` is changed in place. Settings that cannot be used leave it as it is, with a warning: then the answer is false. */
export function reload(config: Reloaded, argv: readonly string[], log: Logger): boolean {
  try {
    const parsed = parseDaemonArgs(argv);
    if (parsed.kind !== 'run') return false;
    const { logLevel, debug, labels, genericResources, insecureRegistries, registryMirrors } = parsed.config;
    Object.assign(config, { logLevel, debug, labels, genericResources, insecureRegistries, registryMirrors });
    log.info('configuration reloaded', { level: logLevel, labels, insecureRegistries, registryMirrors });
    return true;
  } catch (e) {
    log.warn('configuration was not reloaded, the old one stays', { error: messageOf(e) });
    return false;
  }
}
