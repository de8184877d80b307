/**
 * The head of a service's log line: `web.1.abc@node    | `. The daemon sends the ids of the task, its node and its service
 * as details before each line; names are asked for once per id.
 */
import type { Task } from '../engine-types.js';

const SHORT_ID = 12;
/** More ids than any service log shows; the oldest is forgotten beyond it. */
const MAX_NAMES = 4096;
const DETAIL = 'com.docker.swarm.';

export interface LogPrefixOptions {
  readonly details: boolean;
  readonly timestamps: boolean;
  readonly resolve: boolean;
  readonly taskIds: boolean;
  readonly trunc: boolean;
  readonly replicas: number;
  task(id: string): Promise<Task>;
  service(id: string): Promise<string>;
  node(id: string): Promise<string>;
}

export class LogPrefix {
  readonly #o: LogPrefixOptions;
  readonly #prefixes = new Map<string, string>();
  #width = 0;

  constructor(o: LogPrefixOptions) {
    this.#o = o;
  }

  /** What the task wrote stays as it is, in whatever encoding. */
  async format(line: Buffer): Promise<Buffer> {
    const parsed = parseLine(line, this.#o.timestamps);
    if (!parsed) return line;
    const { details, time, text } = parsed;
    const rest = Object.entries(details).filter(([k]) => !k.startsWith(DETAIL));
    const shown = this.#o.details && rest.length > 0 ? `${rest.map(([k, v]) => `${k}=${v}`).join(',')} ` : '';
    const head = await this.#head(details);
    return Buffer.concat([Buffer.from(`${time === '' ? '' : `${time} `}${head}${shown}`), text]);
  }

  async #head(details: Readonly<Record<string, string>>): Promise<string> {
    const task = details[`${DETAIL}task.id`] ?? '';
    const known = this.#prefixes.get(task);
    if (known !== undefined) return `${known.padEnd(this.#width)}    | `;
    const name = await this.#name(task, details);
    if (this.#prefixes.size >= MAX_NAMES) {
      const [oldest] = this.#prefixes.keys();
      if (oldest !== undefined) this.#prefixes.delete(oldest);
    }
    this.#prefixes.set(task, name);
    // Room for the longest slot number, so that the bars stand below each other from the first line on.
    const slot = /\.(\d+)(?=[.@])/.exec(name)?.[1] ?? '';
    const spare = Math.max(0, String(this.#o.replicas).length - slot.length);
    this.#width = Math.max(this.#width, name.length + (slot === '' ? 0 : spare));
    return `${name.padEnd(this.#width)}    | `;
  }

  async #name(taskId: string, details: Readonly<Record<string, string>>): Promise<string> {
    const id = this.#o.trunc ? taskId.slice(0, SHORT_ID) : taskId;
    const serviceId = details[`${DETAIL}service.id`] ?? '';
    const nodeId = details[`${DETAIL}node.id`] ?? '';
    const task = await orElse(this.#o.task(taskId), undefined);
    const resolve = this.#o.resolve;
    const service = resolve ? await orElse(this.#o.service(serviceId), serviceId) : serviceId;
    const node = resolve ? await orElse(this.#o.node(nodeId), nodeId) : nodeId;
    const slot = task?.Slot ? task.Slot : nodeId;
    return `${service}.${slot}${this.#o.taskIds ? `.${id}` : ''}@${node}`;
  }
}

/** What has been removed since it wrote the line keeps its id. */
async function orElse<T, U>(wanted: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await wanted;
  } catch {
    return otherwise;
  }
}

interface LogLine {
  readonly details: Readonly<Record<string, string>>;
  readonly time: string;
  readonly text: Buffer;
}

/** `[TIME ]key=value,key=value TEXT`; undefined when the line has no details of a swarm task. */
function parseLine(line: Buffer, timestamps: boolean): LogLine | undefined {
  // A character for each byte, so that the length of the head counts bytes.
  const m = (timestamps ? /^([^ ]+) ([^ ]+) ?/ : /^()([^ ]+) ?/).exec(line.toString('latin1'));
  const words = Buffer.from(m?.[2] ?? '', 'latin1').toString();
  if (!m || !words.includes(DETAIL)) return undefined;
  const details = Object.fromEntries(
    words.split(',').map((w) => {
      const eq = w.indexOf('=');
      return [decode(w.slice(0, eq)), decode(w.slice(eq + 1))];
    }),
  );
  return { details, time: m[1] ?? '', text: line.subarray(m[0].length) };
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
