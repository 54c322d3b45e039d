/** A signal that aborts with its caller's, or after a time with an error of its own. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

export function startDeadline(
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  createError: () => Error,
): Deadline {
  const controller = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => controller.abort(createError()), timeoutMs);
  return {
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
