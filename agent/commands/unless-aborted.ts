// A stopping agent does not wait for what may take long.

/** Resolves with null when the signal is aborted before `work` is done. */
export const unlessAborted = async <T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> => {
  const { promise, resolve } = Promise.withResolvers<null>();
  const aborted = (): void => resolve(null);
  signal.addEventListener("abort", aborted, { once: true });
  if (signal.aborted) aborted();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", aborted);
  }
};
