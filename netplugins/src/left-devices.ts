/**
 * Devices that could not be taken out of containers that go on, because the helper was away: they are taken out by a later round. Until
 * then what belongs to them, an address say, is not for others.
 */
import { type Logger, messageOf } from '@swarmts/lib';

/** Does nothing where the namespace, or the device, is gone. */
type DetachDevice = (netns: string, iface: string) => Promise<void>;

interface LeftDevice {
  readonly netns: string;
  readonly iface: string;
  readonly gone: () => void;
}

export class LeftDevices {
  readonly #detach: DetachDevice;
  readonly #logger: Logger;
  readonly #left = new Map<string, LeftDevice>();

  constructor(detach: DetachDevice, logger: Logger) {
    this.#detach = detach;
    this.#logger = logger;
  }

  /** Calls `gone` as soon as the device is out; what fails is logged and tried again. */
  async remove(netns: string, iface: string, gone: () => void = () => undefined): Promise<void> {
    const device = { netns, iface, gone };
    this.#left.set(keyOf(netns, iface), device);
    await this.#attempt(device);
  }

  /** The container is about to have it after all. */
  keep(netns: string, iface: string): void {
    this.#left.delete(keyOf(netns, iface));
  }

  async retry(): Promise<void> {
    for (const device of [...this.#left.values()]) await this.#attempt(device);
  }

  async #attempt(device: LeftDevice): Promise<void> {
    const key = keyOf(device.netns, device.iface);
    try {
      await this.#detach(device.netns, device.iface);
    } catch (e) {
      const { netns, iface } = device;
      this.#logger.warn('a device that does not count is left in a container', { netns, iface, error: messageOf(e) });
      return;
    }
    if (this.#left.get(key) !== device) return;
    this.#left.delete(key);
    device.gone();
  }
}

function keyOf(netns: string, iface: string): string {
  return `${netns} ${iface}`;
}
