/** Sizes as people read them, in Docker's notation: 1000-based with four digits (images), 1024-based (memory). */
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function scaled(size: number, base: number, units: readonly string[], precision: number): string {
  let n = size;
  let i = 0;
  while (n >= base && i < units.length - 1) {
    n /= base;
    i++;
  }
  return `${Number(n.toPrecision(precision))}${units[i]}`;
}

export const humanSize = (bytes: number, precision = 4): string => scaled(bytes, 1000, DECIMAL, precision);
export const binarySize = (bytes: number): string => scaled(bytes, 1024, BINARY, 4);
