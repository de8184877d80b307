/** Lines of several tasks, put in the order of their times as far as they fit into memory. */

interface Line {
  readonly timeNs: bigint;
  readonly data: Uint8Array;
}

/** Bytes of lines, with what each takes besides, that wait for each other. */
const KEPT_BYTES = 32 << 20;
const LINE_BYTES = 512;

/** What is more than can be kept comes as it came, behind what was kept; warnings come last. */
export async function* linesInOrder<L extends Line, W extends { readonly warning: string }>(
  pieces: AsyncIterable<readonly (L | W)[]>,
  keptBytes = KEPT_BYTES,
): AsyncGenerator<L | W> {
  const warnings: W[] = [];
  let kept: L[] = [];
  let room = keptBytes;
  for await (const piece of pieces) {
    for (const l of piece) {
      if ('warning' in l) warnings.push(l);
      else if (room > 0) {
        kept.push(l);
        room -= l.data.length + LINE_BYTES;
      } else {
        yield* sorted(kept);
        kept = [];
        yield l;
      }
    }
  }
  yield* sorted(kept);
  yield* warnings;
}

function sorted<L extends Line>(lines: L[]): L[] {
  return lines.sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
}
