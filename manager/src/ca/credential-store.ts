/**
 * A node's credentials on disk: root, certificate, and one key file with the TLS key and, on managers, the keys of log and
 * snapshots. With autolock the key file is sealed with the unlock key as a whole, so that both kinds of keys always
 * change together, in one atomic write.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant, readFileIfThere, SerialLock, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import { KEY_BYTES, open, seal } from '../raft/encryption.js';
import { identityOf, keyMatches, type NodeIdentity } from './certificates.js';
import { type CredentialFiles, Credentials } from './credentials.js';

export const ROOT_FILE = 'swarm-root-ca.crt';
export const CERT_FILE = 'swarm-node.crt';
/** A renewal writes the new certificate beside the old one before it replaces the key: a crash between leaves both. */
const NEXT_CERT = 'swarm-node.crt.next';
export const KEY_FILE = 'swarm-node.key';

const DATA_KEY = 'SWARMTS DATA KEY';
const SEALED = 'SWARMTS SEALED KEYS';
const WAS_CLEAR = 'SWARMTS KEY WAS CLEAR';

interface Keys {
  readonly keyPem: string;
  /** The newest first. Grows by one each time autolock is turned on; old log may need any of them. */
  readonly dataKeys: readonly Uint8Array[];
  /** The file is sealed, and the TLS key in it was on disk in clear before. */
  readonly wasClear: boolean;
}

interface OnDisk {
  readonly rootPem: string;
  readonly certs: readonly string[];
  readonly keyFile: string;
}

/** A key file as it may be on disk, and the certificate that belongs to it. */
interface Pair {
  readonly keyFile: string;
  readonly certPem: string;
}

export class CredentialStore {
  readonly #dir: string;
  readonly #disk: OnDisk;
  #keys: Keys | undefined;
  #unlockKey: Uint8Array | undefined;
  #credentials: Credentials | undefined;
  /** Each save begins with what is in memory: one that failed changed nothing there. */
  readonly #saves = new SerialLock();
  /** One, or more while it is not known whether the last key file was written. */
  #pairs: readonly Pair[] = [];

  private constructor(dir: string, disk: OnDisk) {
    this.#dir = dir;
    this.#disk = disk;
  }

  /** Undefined when the node belongs to no cluster. Throws 'corrupt' when key and certificate do not belong together. */
  static async open(dir: string): Promise<CredentialStore | undefined> {
    const [rootPem, cert, next, keyFile] = await Promise.all(
      [ROOT_FILE, CERT_FILE, NEXT_CERT, KEY_FILE].map((name) => readFileIfThere(join(dir, name))),
    );
    if (rootPem === undefined || keyFile === undefined) return undefined;
    const certs = [cert, next].filter((c) => c !== undefined);
    if (certs.length === 0) return undefined;
    const store = new CredentialStore(dir, { rootPem, certs, keyFile });
    if (blocks(keyFile, SEALED).length === 0) {
      const keys = parseKeys(keyFile, dir);
      if (cert === undefined && next !== undefined && !keyMatches(keys.keyPem, next)) return undefined;
      store.#take(keys);
    }
    return store;
  }

  /** Writes the credentials of a new member. */
  static async create(dir: string, files: CredentialFiles): Promise<CredentialStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const keys = { keyPem: files.keyPem, dataKeys: [], wasClear: false };
    const keyFile = formatKeys(keys);
    const store = new CredentialStore(dir, { rootPem: files.rootPem, certs: [files.certPem], keyFile });
    store.#take(keys);
    await store.#save(files, store.#held.dataKeys, undefined);
    return store;
  }

  #take(keys: Keys): void {
    const certPem = this.#disk.certs.find((c) => keyMatches(keys.keyPem, c));
    if (certPem === undefined) {
      throw new SwarmtsError(
        'corrupt',
        `key and certificate in ${this.#dir} do not belong together: restore them, or remove the folder and join again`,
      );
    }
    this.#keys = keys;
    this.#pairs = [{ keyFile: this.#disk.keyFile, certPem }];
    this.#credentials = new Credentials({ rootPem: this.#disk.rootPem, certPem, keyPem: keys.keyPem });
  }

  get locked(): boolean {
    return this.#keys === undefined;
  }

  /** Who this node is; known without the key. */
  get identity(): NodeIdentity {
    return this.#credentials?.identity ?? identityOf(this.#disk.certs[0] ?? '');
  }

  /** Throws SwarmtsError 'invalid-argument' when it is another key. */
  unlock(unlockKey: Uint8Array): void {
    if (!this.locked) return;
    const [sealed] = blocks(this.#disk.keyFile, SEALED);
    let plain: Uint8Array;
    try {
      plain = open(unlockKey, sealed ?? new Uint8Array(0));
    } catch (e) {
      throw new SwarmtsError(
        'invalid-argument',
        'swarm could not be unlocked: invalid key provided. A manager that was down while the key was rotated needs the key from before',
        { cause: e },
      );
    }
    this.#take(parseKeys(Buffer.from(plain).toString(), this.#dir));
    this.#unlockKey = unlockKey;
  }

  get credentials(): Credentials {
    invariant(this.#credentials, 'the credentials are unlocked');
    return this.#credentials;
  }

  get #held(): Keys {
    invariant(this.#keys, 'the keys are unlocked');
    return this.#keys;
  }

  get dataKeys(): readonly Uint8Array[] {
    return this.#held.dataKeys;
  }

  /** The key that seals the file at present. */
  get unlockKey(): Uint8Array | undefined {
    return this.#unlockKey;
  }

  /** Whether the TLS key has to be replaced: it is sealed, and was not always. A daemon that ended before that finds it here. */
  get keyWasClear(): boolean {
    return this.#held.wasClear;
  }

  /** A new certificate, and perhaps root, takes over once it is on disk. */
  async replace(files: CredentialFiles): Promise<void> {
    await this.#save(files, this.#held.dataKeys, this.#unlockKey);
  }

  /** A manager needs one before it opens its log. */
  async addDataKey(): Promise<void> {
    await this.#save(this.credentials.files, [randomBytes(KEY_BYTES), ...this.#held.dataKeys], this.#unlockKey);
  }

  /** Seals the keys with another key; what was written in clear until now is not used for new records any more. */
  async lock(unlockKey: Uint8Array): Promise<void> {
    const fresh = this.#unlockKey === undefined ? [randomBytes(KEY_BYTES)] : [];
    await this.#save(this.credentials.files, [...fresh, ...this.#held.dataKeys], unlockKey);
  }

  async unseal(): Promise<void> {
    await this.#save(this.credentials.files, this.#held.dataKeys, undefined);
  }

  /** A worker has no log, and nothing to be locked. */
  async dropDataKeys(): Promise<void> {
    await this.#save(this.credentials.files, [], undefined);
  }

  #save(files: CredentialFiles, dataKeys: readonly Uint8Array[], unlockKey: Uint8Array | undefined): Promise<void> {
    return this.#saves.run(() => {
      const isSameKey = files.keyPem === this.#held.keyPem;
      const wasClear = unlockKey !== undefined && isSameKey && (this.#unlockKey === undefined || this.keyWasClear);
      return this.#write(files, { keyPem: files.keyPem, dataKeys, wasClear }, unlockKey);
    });
  }

  /** A save that was cut off has left two certificates: the one of the key on disk must outlive the next save, which writes over the other. */
  async #settle(): Promise<void> {
    if ((await readFileIfThere(join(this.#dir, NEXT_CERT))) === undefined) return;
    const keyFile = await readFileIfThere(join(this.#dir, KEY_FILE));
    const pair = this.#pairs.find((p) => p.keyFile === keyFile);
    if (!pair) return;
    await writeFileAtomic(join(this.#dir, CERT_FILE), pair.certPem, 0o644);
    this.#pairs = [pair];
  }

  async #write(files: CredentialFiles, keys: Keys, unlockKey: Uint8Array | undefined): Promise<void> {
    const clear = formatKeys(keys);
    const keyFile = unlockKey ? pem(SEALED, seal(unlockKey, Buffer.from(clear))) : clear;
    await this.#settle();
    const pair = { keyFile, certPem: files.certPem };
    await writeFileAtomic(join(this.#dir, ROOT_FILE), files.rootPem, 0o644);
    await writeFileAtomic(join(this.#dir, NEXT_CERT), files.certPem, 0o644);
    this.#pairs = [...this.#pairs, pair];
    await writeFileAtomic(join(this.#dir, KEY_FILE), keyFile, 0o600);
    await writeFileAtomic(join(this.#dir, CERT_FILE), files.certPem, 0o644);
    await rm(join(this.#dir, NEXT_CERT), { force: true });
    this.#pairs = [pair];
    this.#keys = keys;
    this.#unlockKey = unlockKey;
    if (this.#credentials?.files.certPem !== files.certPem || this.#credentials.files.rootPem !== files.rootPem)
      this.#credentials?.replace(files);
  }
}

function formatKeys(keys: Keys): string {
  const mark = keys.wasClear ? [pem(WAS_CLEAR, new Uint8Array(1))] : [];
  return [`${keys.keyPem.trim()}\n`, ...keys.dataKeys.map((k) => pem(DATA_KEY, k)), ...mark].join('');
}

function parseKeys(text: string, dir: string): Keys {
  const dataKeys = blocks(text, DATA_KEY);
  const keyPem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----\n?/.exec(text)?.[0];
  if (keyPem === undefined || dataKeys.some((k) => k.length !== KEY_BYTES)) {
    throw new SwarmtsError(
      'corrupt',
      `${join(dir, KEY_FILE)} holds no usable keys: restore it, or leave with --force and join again`,
    );
  }
  return { keyPem, dataKeys, wasClear: blocks(text, WAS_CLEAR).length > 0 };
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .replace(/(.{64})(?=.)/g, '$1\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

function blocks(text: string, label: string): readonly Uint8Array[] {
  const found = text.matchAll(new RegExp(`-----BEGIN ${label}-----\n([\\s\\S]*?)\n-----END ${label}-----`, 'g'));
  return [...found].map((m) => Buffer.from(m[1] ?? '', 'base64'));
}
