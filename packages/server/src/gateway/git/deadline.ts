/**
 * A signal that aborts with its caller's signal, or after a timeout with the error that the caller
 * creates.
 */
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
