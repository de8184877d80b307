/** SIGHUP: what may change while the daemon runs is taken from the settings anew. As dockerd has it, everything else needs a restart. */
import { type Logger, messageOf } from '@swarmts/lib';
import { type DaemonConfig, parseDaemonArgs } from './config.js';

type Reloaded = Pick<
  DaemonConfig,
  'logLevel' | 'debug' | 'labels' | 'genericResources' | 'insecureRegistries' | 'registryMirrors'
>;

/** `config` is changed in place. Settings that cannot be used leave it as it is, with a warning. */
export function reload(config: Reloaded, argv: readonly string[], log: Logger): void {
  try {
    const parsed = parseDaemonArgs(argv);
    if (parsed.kind !== 'run') return;
    const { logLevel, debug, labels, genericResources, insecureRegistries, registryMirrors } = parsed.config;
    Object.assign(config, { logLevel, debug, labels, genericResources, insecureRegistries, registryMirrors });
    log.info('configuration reloaded', { level: logLevel, labels, insecureRegistries, registryMirrors });
  } catch (e) {
    log.warn('configuration was not reloaded, the old one stays', { error: messageOf(e) });
  }
}
