/** Reads one line that must not be seen: from the terminal without echo, or from what stdin is piped from. */
import type { Readable } from 'node:stream';
import type { Context } from './context.js';
import { CommandError, InterruptedError } from './exit.js';

/** More than any key or password is; what comes after is an input that was meant for something else. */
const MAX_LENGTH = 4096;
const INTERRUPT = 3;
const END_OF_INPUT = 4;
const BACKSPACES: readonly number[] = [8, 127];

interface RawInput extends Readable {
  setRawMode?(on: boolean): unknown;
}

/** Throws CommandError when the input ends before a line, or is interrupted. */
export async function readSecret(ctx: Context, prompt: string): Promise<string> {
  const stdin: RawInput = ctx.stdin();
  if (!ctx.stdinIsTerminal) return firstLine(stdin);
  ctx.err.write(prompt);
  stdin.setRawMode?.(true);
  try {
    return await typedLine(stdin);
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    ctx.err.write('\n');
  }
}

async function firstLine(stdin: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += Buffer.from(chunk).toString();
    if (text.includes('\n')) break;
    if (text.length > MAX_LENGTH) throw new CommandError('the input is too long for a key or password');
  }
  return (text.split('\n')[0] ?? '').replace(/\r$/, '');
}

async function typedLine(stdin: Readable): Promise<string> {
  const typed: number[] = [];
  for await (const chunk of stdin) {
    for (const byte of Buffer.from(chunk)) {
      if (byte === INTERRUPT) throw new InterruptedError('interrupted');
      if (byte === END_OF_INPUT || byte === 10 || byte === 13) return Buffer.from(typed).toString();
      if (BACKSPACES.includes(byte)) typed.pop();
      else if (typed.length < MAX_LENGTH) typed.push(byte);
    }
  }
  throw new CommandError('the input ended before a line was typed');
}
