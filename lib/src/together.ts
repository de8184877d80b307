/** Waits until all have ended, and then throws the error of the first that failed: nothing goes on behind somebody's back. */
export async function together<T>(work: Promise<T>, ...beside: readonly (Promise<unknown> | undefined)[]): Promise<T> {
  const [done, ...others] = await Promise.allSettled([work, ...beside]);
  if (done.status === 'rejected') throw done.reason;
  const failed = others.find((o) => o.status === 'rejected');
  if (failed) throw failed.reason;
  return done.value;
}
