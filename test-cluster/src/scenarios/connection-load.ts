/** Connections at a steady rate from inside a network namespace: each asks once over HTTP, and is counted by how it ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface LoadResult {
  readonly good: number;
  /** Failed connections by their error: ECONNREFUSED, ECONNRESET, timeout, odd answer. */
  readonly bad: Readonly<Record<string, number>>;
}

const GENERATOR = `
const net = require('node:net');
const [addresses, port, rate] = [process.argv[1].split(','), Number(process.argv[2]), Number(process.argv[3])];
let good = 0, nth = 0, open = 0, ending = false;
const bad = {};
function one() {
  const s = net.connect(port, addresses[nth++ % addresses.length]);
  let answer = '', over = false;
  open++;
  const end = (error) => {
    if (over) return;
    over = true;
    open--;
    s.destroy();
    if (error) bad[error] = (bad[error] ?? 0) + 1; else good++;
    if (ending && open === 0) finish();
  };
  s.setTimeout(8000, () => end('timeout'));
  s.on('connect', () => s.write('GET / HTTP/1.0\\r\\n\\r\\n'));
  s.on('data', (d) => { answer += d; });
  s.on('error', (e) => end(e.code));
  s.on('close', () => end(answer.startsWith('HTTP/1.') ? undefined : 'odd answer'));
}
function finish() { process.stdout.write(JSON.stringify({ good, bad }), () => process.exit(0)); }
const begin = Date.now();
let made = 0;
const timer = setInterval(() => {
  for (const due = (Date.now() - begin) * rate / 1000; made < due; made++) one();
}, 5);
process.stdin.on('end', () => { clearInterval(timer); ending = true; if (open === 0) finish(); }).resume();
`;

/** Starts `rate` connections per second to the addresses in turn, from the namespace of a process; call the answer to end it. */
export function startLoad(
  pid: number,
  addresses: readonly string[],
  port: number,
  rate: number,
): () => Promise<LoadResult> {
  const args = [
    `--target=${pid}`,
    '--net',
    '--',
    process.execPath,
    '-e',
    GENERATOR,
    addresses.join(','),
    `${port}`,
    `${rate}`,
  ];
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const output = text(child.stdout);
  const exited = once(child, 'exit');
  return async () => {
    child.stdin.end();
    await exited;
    return JSON.parse(await output) as LoadResult;
  };
}
