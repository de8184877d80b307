/** The process of an exec: the container's own, changed by what was asked for. */
import type { MachineFacts } from '../runtime/machine-facts.js';
import { withoutEmptyHome } from '../runtime/oci-config.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import { UNCONFINED } from '../runtime/security-labels.js';
import { lookUpUser } from './container-bundle.js';
import { withTerminal, withVariables } from './merge-config.js';
import type { ExecConfig, TerminalSize } from './session-api.js';

export function execProcess(
  base: OciProcess,
  config: ExecConfig,
  size: TerminalSize | undefined,
  facts: MachineFacts,
  container: { readonly rootfs: string; readonly groups: readonly string[]; readonly ownEnv: readonly string[] },
): OciProcess {
  const { consoleSize: _size, ...own } = base;
  const user = config.user === '' ? undefined : lookUpUser(container.rootfs, config.user, container.groups);
  const all = facts.capabilities;
  return {
    ...own,
    terminal: config.tty,
    ...(size ? { consoleSize: { height: size.rows, width: size.columns } } : {}),
    args: config.argv,
    env: withoutEmptyHome(
      withVariables(withTerminal(withoutHome(base.env, user !== undefined), container.ownEnv, config.tty), config.env),
    ),
    ...(config.workingDir === '' ? {} : { cwd: config.workingDir }),
    ...(user ? { user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids } } : {}),
    ...(config.privileged ? { capabilities: { bounding: all, effective: all, permitted: all } } : {}),
    ...(config.privileged && base.apparmorProfile ? { apparmorProfile: UNCONFINED } : {}),
  };
}

/** The runtime fills in the home of the user when nobody names one. */
function withoutHome(env: readonly string[], otherUser: boolean): readonly string[] {
  return otherUser ? env.filter((e) => !e.startsWith('HOME=')) : env;
}
