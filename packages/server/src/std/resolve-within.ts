/** Rejects if the work takes longer. The work continues. */
export async function resolveWithin<T>(work: Promise<T>, limitMs: number, createError?: () => Error): Promise<T> {
  const expiry = Promise.withResolvers<never>();
  const expire = () => expiry.reject(createError?.() ?? new Error(`no answer within ${limitMs / 1000} s`));
  const timer = setTimeout(expire, limitMs);
  try {
    return await Promise.race([work, expiry.promise]);
  } finally {
    clearTimeout(timer);
  }
}
