/**
 * Processes that run in a terminal. The helper holds the terminal and passes bytes between it and a unix socket of the daemon; an OCI
 * runtime passes them on to the terminal inside of the container, and takes its size from ours.
 */
import { readlinkSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { ReadStream } from 'node:tty';
import {
  closeFd,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  openFile,
  openTerminal,
  type Reaper,
  setTerminalSize,
  type TerminalSize,
} from 'vxlan-tools';
import type { TerminalSpec } from './helper-api.js';
import { type RunningProcess, startIn } from './run-process.js';

/** The caller has so long to close its side when everything that was shown is in its socket. */
const CLOSE_MS = 1000;

/** The kernel gives no more of a terminal at once. */
const PIECE_BYTES = 4096;
/** It keeps less than this, which bounds the reading should somebody else have opened the terminal. */
const MAX_LEFT_BYTES = 1 << 20;

interface OpenTerminal {
  readonly master: number;
  readonly pid: number;
}

export class Terminals {
  readonly #open = new Map<string, OpenTerminal>();

  run(spec: TerminalSpec, reaper: Reaper): RunningProcess {
    const { master, slave } = openTerminal(spec.size);
    let pid: number;
    try {
      pid = startIn(
        spec.process,
        new Map([
          [0, slave],
          [1, slave],
          [2, slave],
        ]),
      );
    } catch (e) {
      closeFd(master);
      throw e;
    } finally {
      closeFd(slave);
    }
    this.#open.set(spec.name, { master, pid });
    const passing = passBytes(master, spec.socket);
    const done = reaper.wait(pid).then(async (status) => {
      this.#open.delete(spec.name);
      await passing;
      return { ...status, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    });
    return { pid, done, kill: () => void signal(-pid, 'SIGKILL') };
  }

  /** Some runtimes pass the size on to the terminal inside, others do not: it is set there as well. */
  resize(name: string, pid: number, size: TerminalSize): void {
    const found = this.#open.get(name);
    if (found === undefined) return;
    resizeInside(pid, size);
    setTerminalSize(found.master, size);
    // The terminal is nobody's controlling one, so the kernel tells nobody.
    signal(found.pid, 'SIGWINCH');
  }
}

/** Resolves when everything that was shown has been passed on, or the caller has gone. */
function passBytes(master: number, path: string): Promise<void> {
  const terminal = new ReadStream(master);
  const socket = connect(path);
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = () => {
      terminal.destroy();
      // What is still typed is for nobody.
      socket.unpipe(terminal).resume();
      socket.end();
    };
    // The last process has closed the terminal: reading fails with EIO.
    terminal.on('error', end);
    terminal.on('end', () => {
      socket.write(leftIn(master));
      end();
    });
    // Whoever reads slowly is not hurried.
    socket.once('finish', () => {
      timer = setTimeout(() => socket.destroy(), CLOSE_MS);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      terminal.destroy();
      resolve();
    });
    // The end of what is typed is not the end of what is shown.
    terminal.pipe(socket, { end: false });
    socket.pipe(terminal, { end: false });
  });
}

/** libuv takes a hangup for the end, though it has read no more than one piece of what is in the terminal. */
function leftIn(master: number): Buffer {
  const left: Buffer[] = [];
  try {
    for (let bytes = 0; bytes < MAX_LEFT_BYTES; ) {
      const piece = Buffer.alloc(PIECE_BYTES);
      const read = readSync(master, piece);
      if (read === 0) break;
      bytes += read;
      left.push(piece.subarray(0, read));
    }
  } catch {
    // EIO: that was all.
  }
  return Buffer.concat(left);
}

/** The link leads to what the process has opened, whatever it calls it: nothing that it could not reach is opened here. */
function resizeInside(pid: number, size: TerminalSize): void {
  const path = `/proc/${pid}/fd/0`;
  try {
    if (!readlinkSync(path).startsWith('/dev/pts/')) return;
    const fd = openFile(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    try {
      setTerminalSize(fd, size);
    } finally {
      closeFd(fd);
    }
  } catch {
    // It has ended, or has put something else in the place of its terminal.
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in the meantime.
  }
}
