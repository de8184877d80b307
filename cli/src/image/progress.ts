/** The stream of JSON records that pull and load answer with: one per line, errors among them. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Output } from '../context.js';
import { CommandError } from '../exit.js';

interface ProgressRecord {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

/** Layers in progress print their steps once each; the numbers of a running download are left out. */
export async function showProgress(source: Readable, out: Output, quiet: boolean): Promise<void> {
  const last = new Map<string, string>();
  for await (const line of createInterface({ input: source })) {
    if (line.trim() === '') continue;
    const r = JSON.parse(line) as ProgressRecord;
    if (r.error !== undefined || r.errorDetail) {
      throw new CommandError(r.errorDetail?.message ?? r.error ?? 'the daemon reported an error');
    }
    if (quiet) continue;
    if (r.stream !== undefined) out.write(r.stream);
    else if (r.status !== undefined) {
      if (r.id !== undefined && last.get(r.id) === r.status) continue;
      if (r.id !== undefined) last.set(r.id, r.status);
      out.write(`${r.id ? `${r.id}: ` : ''}${r.status}\n`);
    }
  }
}
