import type { Circuit } from "./circuit.ts";
import type { Clock } from "./clock.ts";
import { getErrorClass, isTransient } from "./error-class.ts";
import type { RetryRule } from "./retry-rule.ts";

/** How long to wait before the second, third and fourth try. */
const retryDelaysMs = [1_000, 2_000, 4_000] as const; // ms

export interface ErrorHandlingOptions {
  readonly circuit: Circuit;
  readonly clock: Clock;
  readonly retry: RetryRule;
  readonly signal: AbortSignal;
  /** When all tries together are over, by the clock. */
  readonly deadline: number;
}

/**
 * Tries a call until it succeeds, fails in a way that stays, or has been tried often or long enough; keeps the circuit
 * informed. The caller's own signal ends it with its reason and says nothing about the runner.
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
