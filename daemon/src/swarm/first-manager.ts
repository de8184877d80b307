/** What a manager waits for and does for itself when it is the only one: after `init`, and after it has taken over what is left of a cluster. */
import { type Clock, type Logger, SwarmtsError, sleep } from '@swarmts/lib';
import { type CredentialStore, createRequest, type Manager } from '@swarmts/manager';

const TIMEOUT_MS = 20_000;

/** The first, or only, manager leads, and what it has to write is written. Throws 'timeout'. */
export async function untilLeading(manager: Manager, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + TIMEOUT_MS;
  while (manager.store.count('cluster') === 0 || !manager.isLeader) {
    if (clock.monotonic() > deadline) throw new SwarmtsError('timeout', 'the only manager did not become leader');
    await sleep(clock, 5);
  }
}

/** An external CA may be away just then: with a certificate that is still valid the node goes on, and asks for another one as usual. */
export async function renewBySelf(manager: Manager, store: CredentialStore, clock: Clock, log: Logger): Promise<void> {
  const { keyPem, csrPem } = await createRequest();
  try {
    const answer = await manager.issueForSelf(csrPem);
    const [certPem, rootPem] = [answer.certPem, answer.rootCaPem].map((b) => Buffer.from(b).toString());
    await store.replace({ keyPem, certPem: certPem ?? '', rootPem: rootPem ?? '' });
  } catch (e) {
    if (store.identity.notAfterMs <= clock.now()) throw e;
    log.warn('certificate was not renewed after taking over: it is at its usual time', { error: e });
  }
}
