/** Pseudo-terminals: a pair of descriptors, and the size of the window. */
import { closeFd, ioctlBuffer, ioctlNumber, O_NOCTTY, O_RDWR, openFile } from './ffi.js';

const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const O_CLOEXEC = 0o2000000;

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface Terminal {
  /** The side of the one who shows the terminal. */
  readonly master: number;
  /** The side of the process in it. */
  readonly slave: number;
}

/** Both descriptors are the caller's to close, and close-on-exec. Needs no /dev/pts that is the same as that of /dev/ptmx. */
export function openTerminal(size: TerminalSize): Terminal {
  const master = openFile('/dev/ptmx', O_RDWR | O_NOCTTY);
  try {
    ioctlBuffer(master, TIOCSPTLCK, Buffer.alloc(4));
    setTerminalSize(master, size);
    return { master, slave: ioctlNumber(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) };
  } catch (e) {
    closeFd(master);
    throw e;
  }
}

/** The kernel's struct winsize: rows, columns and two fields in pixels that nobody uses. */
export function setTerminalSize(fd: number, size: TerminalSize): void {
  const winsize = Buffer.alloc(8);
  winsize.writeUInt16LE(size.rows, 0);
  winsize.writeUInt16LE(size.columns, 2);
  ioctlBuffer(fd, TIOCSWINSZ, winsize);
}
