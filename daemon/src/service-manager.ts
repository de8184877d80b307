/**
 * Tells the service manager that started the daemon (systemd, by sd_notify(3)) when it is ready, so that what is ordered after its unit finds
 * its API. Node has no sockets of that kind: the helper sends, and the unit has to take what children of the daemon say (NotifyAccess=all).
 */
import { type Logger, messageOf } from '@swarmts/lib';
import type { HelperApi } from '@swarmts/worker';

export type LifeState = 'READY=1' | 'STOPPING=1';

export interface ServiceManagerOptions {
  readonly helper: Pick<HelperApi, 'openInput' | 'writeInput' | 'closeInput'>;
  /** NOTIFY_SOCKET as the service manager sets it; '' where there is none. */
  readonly socket: string;
  readonly log: Logger;
}

/** A service manager that does not listen is no reason to end: the containers need the daemon, not the notice. */
export async function tellServiceManager(
  state: LifeState,
  { helper, socket, log }: ServiceManagerOptions,
): Promise<void> {
  if (socket === '') return;
  try {
    const input = await helper.openInput(socket, 'datagram');
    try {
      await helper.writeInput(input, Buffer.from(state));
    } finally {
      await helper.closeInput(input);
    }
  } catch (e) {
    log.warn('the service manager could not be told', { state, socket, error: messageOf(e) });
  }
}
