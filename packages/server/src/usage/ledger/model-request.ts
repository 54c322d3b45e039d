import type { BudgetAlert } from "../budgets/budget-decision.ts";
import type { TokenUsage } from "../token-usage.ts";

/** Who sends a request for a model; the ledger finds the turn, the board and the user. */
export interface UsageSource {
  readonly runner_id: string;
  /** The run, or the runner itself if a person created it. */
  readonly run_id: string;
  readonly task_id?: string;
  readonly organization_id?: string;
  readonly agent_type?: string;
}

/** What is known of a request before the gateway forwards it. */
export interface ModelRequest {
  /** The id that the relay gave to it. */
  readonly requestId: string;
  readonly kind: "answer" | "embedding";
  readonly route: string;
  readonly api: "gemini" | "anthropic" | "openai";
  readonly model?: string | undefined;
  readonly bodyBytes: number;
  readonly maxOutputTokens?: number | undefined;
}

/** How a request ended. */
export interface RequestOutcome {
  /** The status of the answer; 0 if none came. */
  readonly status: number;
  /** The server that was asked last. */
  readonly upstream?: string | undefined;
  readonly durationMs: number;
  /** Absent if the model's server did no work that it charges for. */
  readonly usage: TokenUsage | undefined;
}

/** A request that is in the database, and may be forwarded. */
export interface Reservation {
  /**
   * Resolves when the outcome is in the database. Only the first call counts: the others wait for
   * it.
   */
  settle(outcome: RequestOutcome): Promise<void>;
}

/** A reservation, and what the task's log should report of its budgets. */
export interface BudgetedReservation extends Reservation {
  readonly alerts: readonly BudgetAlert[];
}

/** The price of a model at one time. */
export interface ModelPrice {
  readonly version: string;
  /** Returns micro-USD. */
  getCost(usage: TokenUsage): number;
}
