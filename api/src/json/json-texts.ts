/**
 * JSON texts of objects that never change, such as those of the store, whose every version is an object of its own: a list that is
 * asked for again and again is put together from texts that are there already.
 */

/** Length of all texts that are kept: those of some 50,000 tasks. What was not asked for longest goes first. */
const MAX_KEPT_LENGTH = 32 * 1024 * 1024;

export class JsonTexts<T extends object> {
  readonly #write: (object: T) => string;
  readonly #maxLength: number;
  /** Texts go with their objects, and with the generation after the next one where nobody asks for them. */
  #recent = new WeakMap<T, string>();
  #older = new WeakMap<T, string>();
  #recentLength = 0;

  constructor(write: (object: T) => string, maxLength = MAX_KEPT_LENGTH) {
    this.#write = write;
    this.#maxLength = maxLength;
  }

  of(object: T): string {
    const known = this.#recent.get(object);
    if (known !== undefined) return known;
    const text = this.#older.get(object) ?? this.#write(object);
    if (this.#recentLength + text.length > this.#maxLength / 2) {
      this.#older = this.#recent;
      this.#recent = new WeakMap();
      this.#recentLength = 0;
    }
    this.#recent.set(object, text);
    this.#recentLength += text.length;
    return text;
  }
}
