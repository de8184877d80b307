/**
 * Loaded in front of everything else (`node --import`), it ends the process at one of the calls with which it changes files:
 * `CRASH_FILES_AT=3:before`. Counting begins at once, or, with `CRASH_FILES_ARMED=no`, with `arm`.
 */
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Calls that change what is on disk, or make it last. */
const SYNC_CALLS = [
  'mkdirSync',
  'renameSync',
  'rmSync',
  'symlinkSync',
  'linkSync',
  'writeFileSync',
  'writeSync',
] as const;
const CALLBACK_CALLS = ['fsync', 'fdatasync'] as const;
const PROMISE_CALLS = ['mkdir', 'rename', 'rm', 'symlink', 'link', 'writeFile', 'unlink'] as const;
const HANDLE_CALLS = ['writeFile', 'datasync'] as const;

// biome-ignore lint/suspicious/noExplicitAny: wraps calls of any shape, and passes on what they take and give.
type Call = (...args: any[]) => any;

const [number = '0', when = ''] = (process.env.CRASH_FILES_AT ?? '').split(':');
let armed = process.env.CRASH_FILES_ARMED !== 'no';
let calls = 0;

export function arm(): void {
  armed = true;
}

/** Whether the process ends itself at a call that it has not come to. */
export function isPending(): boolean {
  return calls < Number(number);
}

function counted(call: Call): Call {
  return function (this: unknown, ...args) {
    const mine = armed ? ++calls : 0;
    const strikes = mine > 0 && mine === Number(number);
    if (strikes && when === 'before') process.kill(process.pid, 'SIGKILL');
    const result = call.apply(this, args);
    if (!strikes) return result;
    if (!(result instanceof Promise)) process.kill(process.pid, 'SIGKILL');
    return result.finally(() => process.kill(process.pid, 'SIGKILL'));
  };
}

function wrap(object: object, names: readonly string[]): void {
  for (const name of names) Reflect.set(object, name, counted(Reflect.get(object, name)));
}

if (Number(number) > 0) {
  wrap(fs, [...SYNC_CALLS, ...CALLBACK_CALLS]);
  wrap(fs.promises, PROMISE_CALLS);
  const { open } = fs.promises;
  Reflect.set(fs.promises, 'open', async (...args: Parameters<typeof open>): Promise<FileHandle> => {
    const handle = await open(...args);
    wrap(handle, HANDLE_CALLS);
    return handle;
  });
  syncBuiltinESMExports();
}
