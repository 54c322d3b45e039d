import type { Circuit } from "./circuit.ts";
import type { Clock } from "./clock.ts";
import { getErrorClass, isTransient } from "./error-class.ts";
import type { RetryRule } from "./retry-rule.ts";

/** Delays before the second, third and fourth attempt. */
const retryDelaysMs = [1_000, 2_000, 4_000] as const;

export interface ErrorHandlingOptions {
  readonly circuit: Circuit;
  readonly clock: Clock;
  readonly retry: RetryRule;
  readonly signal: AbortSignal;
  /** When all attempts together must end, by the clock. */
  readonly deadline: number;
}

/**
 * Repeats a call until it succeeds, fails permanently, or reaches the limit of attempts or the
 * deadline; reports each result to the circuit. The caller's own signal ends the call with its
 * reason and does not count for or against the runner.
 */
export async function withErrorHandling<T>(handling: ErrorHandlingOptions, attempt: () => Promise<T>): Promise<T> {
  const { circuit, clock, retry, signal, deadline } = handling;
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    const pass = circuit.enter();
    try {
      const result = await attempt();
      pass.succeed();
      return result;
    } catch (error) {
      if (signal.aborted) {
        pass.leave();
        throw error;
      }
      const kind = getErrorClass(error);
      const hasAnswer = kind === "CLIENT" || (kind === "SERVER" && retry === "unanswered");
      if (hasAnswer) pass.succeed();
      else pass.fail();
      const delay = retryDelaysMs[tries];
      if (hasAnswer || retry === "never" || delay === undefined || !isTransient(error)) throw error;
      if (clock.now() + delay >= deadline) throw error;
      await clock.sleep(delay, signal);
    }
  }
}
