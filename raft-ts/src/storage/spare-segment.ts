// The file that becomes the next segment, reserved while the present one is being filled, so that no write waits for
// it. A disk that has no room for it is asked again whenever somebody says so.
import type { DiskFile } from './disk.js';
import { isNoSpace } from './disk-error.js';

export class SpareSegment {
  readonly #open: () => Promise<DiskFile>;
  readonly #discard: () => Promise<void>;
  #file: DiskFile | undefined;
  #making: Promise<void> | undefined;
  #isRefused = false;
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;

  /** `open` makes the file with its reserve; `discard` removes what a failed `open` has left. */
  constructor(open: () => Promise<DiskFile>, discard: () => Promise<void>) {
    this.#open = open;
    this.#discard = discard;
  }

  /** The disk had no room for it when it was asked last. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Begins to make the file, unless it is there or under way. */
  prepare(): void {
    if (this.#isClosed || this.#file !== undefined || this.#making !== undefined || this.#failure !== undefined) return;
    this.#making = this.#make();
  }

  async #make(): Promise<void> {
    try {
      this.#file = await this.#open();
      this.#isRefused = false;
    } catch (error) {
      if (isNoSpace(error)) {
        // What it took of the last room is needed elsewhere.
        await this.#discard().catch(() => undefined);
        this.#isRefused = true;
      } else this.#failure = { error };
    } finally {
      this.#making = undefined;
    }
  }

  /** Hands the file over; undefined while there is none. Throws what its making has failed with. */
  take(): DiskFile | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    const file = this.#file;
    this.#file = undefined;
    return file;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#making;
    await this.#file?.close();
    this.#file = undefined;
  }
}
