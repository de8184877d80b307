/** The daemon's side of the process that forwards published ports. */
import { fileURLToPath } from 'node:url';
import { ControlClient, type ControlClientOptions } from '../control/control-client.js';
import { FORWARD_PROTOCOL, type ForwardAcknowledgement, type PortForward } from './protocol.js';

/** Program file of the process; its argument is the path of its socket. */
export const FORWARD_MAIN_FILE = fileURLToPath(new URL('./main.js', import.meta.url));

export class ForwardClient {
  readonly #process: ControlClient<ForwardAcknowledgement>;
  #tail: Promise<unknown> = Promise.resolve();
  /** As the process has it, while it is connected. */
  #told = '';

  constructor(options: Omit<ControlClientOptions, 'name'>) {
    this.#process = new ControlClient({ ...options, name: 'the process that forwards published ports' });
  }

  /** These, and no others, are forwarded from now on; resolves to the reasons, by `forwardKey`, of those that cannot be. */
  set(forwards: readonly PortForward[]): Promise<ForwardAcknowledgement['failed']> {
    const run = this.#tail.then(() => this.#tell(forwards));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Lets go of the process, which goes on. */
  close(): void {
    this.#process.drop();
  }

  async #tell(forwards: readonly PortForward[]): Promise<ForwardAcknowledgement['failed']> {
    if (forwards.length === 0 && !this.#process.mayExist) return {};
    const text = JSON.stringify(forwards);
    if (this.#process.isConnected && !this.#process.isFresh && this.#told === text) return {};
    await this.#process.connect();
    const { failed } = await this.#process.tell({ protocol: FORWARD_PROTOCOL, forwards });
    this.#told = Object.keys(failed).length === 0 ? text : '';
    return failed;
  }
}
