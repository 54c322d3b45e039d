import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toOneLine, WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import { BatchWriter } from "../../std/batch-writer.ts";
import { resolveWithin } from "../../std/resolve-within.ts";
import { isDatabaseUnavailable } from "../../store/index.ts";
import type { BudgetAnswer } from "../budgets/budget-decision.ts";
import { createBudgetError } from "../budgets/budget-error.ts";
import type { PriceTable } from "../prices/price-table.ts";
import type { TokenUsage } from "../token-usage.ts";
import { estimateUsage } from "./estimate.ts";
import { findPrice } from "./find-price.ts";
import type { LedgerDatabase } from "./ledger-database.ts";
import type { BudgetedReservation, ModelPrice, ModelRequest, RequestOutcome, UsageSource } from "./model-request.ts";
import { reserveLimitedRequests } from "./reserve-limited-requests.ts";
import { type NewReservation, reserveRequests } from "./reserve-requests.ts";
import { settleFormerRequests, type Settlement, settleRequests } from "./settle-requests.ts";

export interface LedgerOptions {
  readonly db: LedgerDatabase;
  readonly serverId: string;
  readonly logger: Logger;
  readonly prices: PriceTable;
  /** The budget of each task that has none, in micro-USD. */
  readonly taskBudget?: number | undefined;
}

const maxBatchItems = 500;
/** Two batches of each kind at a time: one is on the disk while the other is sent. */
const maxBatches = 2;
const maxReserveMs = 10_000;
const maxRetryDelayMs = 1_000;
/** How long the end of the server waits for the settlements that are on their way. */
const maxCloseMs = 5_000;
const maxNameBytes = 200;
/** No request has more tokens; a sum of such counts still fits into the database. */
const maxCount = 1e9;
/** The answer to a request for which all its budgets have room, or that has none. */
const noAlerts: BudgetAnswer = { alerts: [] };

/**
 * Counts the requests for models. A request is reserved before the gateway forwards it, and settled
 * when its answer has ended, both in the database. A request for which a budget has no room is
 * refused; those of the same batch are not. What a dead server did not settle counts with
 * its reservation, once: `settleFormer` when the same server starts again, `AbandonedRequests` if
 * it does not.
 */
export class Ledger implements AsyncDisposable {
  readonly #options: LedgerOptions;
  readonly #serverStart = randomUUID();
  readonly #closing = new AbortController();
  readonly #unsettled = new Set<Promise<void>>();
  readonly #reservations: BatchWriter<NewReservation, BudgetAnswer>;
  readonly #settlements: BatchWriter<Settlement, undefined>;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const limits = { maxItems: maxBatchItems, maxBatches };
    this.#reservations = new BatchWriter({
      ...limits,
      write: (rows) => this.#reserveRows(rows),
    });
    this.#settlements = new BatchWriter({
      ...limits,
      write: async (rows) => {
        await settleRequests(options.db, rows);
        return rows.map(() => undefined);
      },
    });
  }

  /** Settles what former processes of this server left behind. */
  async settleFormer(): Promise<void> {
    const { db, serverId, logger } = this.#options;
    const requests = await settleFormerRequests(db, { serverId, serverStart: this.#serverStart });
    if (requests > 0) logger.warn({ requests }, "model requests of the last server count with their estimates");
  }

  /**
   * Makes as many connections as there are batches plan the statements, so that no request waits
   * for that. Without it the first requests do.
   */
  async prepare(): Promise<void> {
    const { db, logger, taskBudget } = this.#options;
    const connecting = Array.from({ length: 2 * maxBatches }, () => db.connect());
    try {
      for (const client of await Promise.all(connecting)) {
        await reserveRequests(client, [], { defaultAmount: taskBudget });
        await settleRequests(client, []);
      }
    } catch (error) {
      logger.debug({ error }, "could not prepare the statements of the ledger");
    } finally {
      for (const connected of await Promise.allSettled(connecting))
        if (connected.status === "fulfilled") connected.value.release();
    }
  }

  /** Resolves when the request is in the database and may be forwarded. */
  async reserve(source: UsageSource, request: ModelRequest): Promise<BudgetedReservation> {
    const id = randomUUID();
    const startedAt = performance.now();
    const estimate = estimateUsage(request);
    const price = findPrice(this.#options.prices, request);
    const settleOnce = (outcome: RequestOutcome) => this.#settle(createSettlement(id, outcome, price));
    const written = this.#reservations.add(this.#createRow(id, source, { request, estimate, price }));
    let answer: BudgetAnswer;
    try {
      answer = await resolveWithin(written, maxReserveMs, createLateError);
    } catch (error) {
      // The row may be in the database all the same, but the request is not forwarded.
      const settleUnsent = () =>
        settleOnce({ status: 0, durationMs: performance.now() - startedAt, usage: undefined }).catch(() => undefined);
      void written.then(settleUnsent, settleUnsent);
      throw isDatabaseUnavailable(error) ? new WharfError("ledger_unavailable", {}, { cause: error }) : error;
    }
    const { refusedBy, alerts } = answer;
    if (refusedBy) throw createBudgetError(refusedBy, { request, cost: price?.getCost(estimate) });
    let settled: Promise<void> | undefined;
    return { alerts, settle: (outcome) => (settled ??= settleOnce(outcome)) };
  }

  /** One statement, unless a budget may have no room for all, or has something to report. */
  async #reserveRows(rows: readonly NewReservation[]): Promise<BudgetAnswer[]> {
    const { db, taskBudget } = this.#options;
    const undecided = await reserveRequests(db, rows, { defaultAmount: taskBudget });
    if (undecided.length === 0) return rows.map(() => noAlerts);
    const answers = await reserveLimitedRequests(db, undecided, { defaultAmount: taskBudget });
    const byId = new Map(undecided.map(({ id }, index) => [id, answers[index]]));
    return rows.map(({ id }) => byId.get(id) ?? noAlerts);
  }

  #createRow(
    id: string,
    { runner_id, run_id, task_id, organization_id, agent_type }: UsageSource,
    { request, estimate, price }: { request: ModelRequest; estimate: TokenUsage; price: ModelPrice | undefined },
  ): NewReservation {
    const { requestId, kind, route, model } = request;
    return {
      id,
      request_id: requestId,
      server_id: this.#options.serverId,
      server_start: this.#serverStart,
      organization_id,
      task_id,
      run_id,
      runner_id,
      agent_type,
      route,
      model: model === undefined ? undefined : toOneLine(model, maxNameBytes),
      kind,
      reserved_input_tokens: toCount(estimate.input_tokens),
      reserved_output_tokens: toCount(estimate.output_tokens),
      reserved_cost: price?.getCost(estimate),
      price_version: price?.version,
    };
  }

  #settle(settlement: Settlement): Promise<void> {
    const settled = this.#writeSettlement(settlement).finally(() => this.#unsettled.delete(settled));
    this.#unsettled.add(settled);
    return settled;
  }

  /** Repeats the statement until the database answers. */
  async #writeSettlement(settlement: Settlement): Promise<void> {
    const { logger } = this.#options;
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, maxRetryDelayMs)) {
      try {
        return await this.#settlements.add(settlement);
      } catch (error) {
        if (this.#closing.signal.aborted || !isDatabaseUnavailable(error)) {
          logger.error({ error, id: settlement.id }, "could not settle a model request; its estimate will count");
          throw error;
        }
        await sleep(delayMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }

  /** Waits for the settlements that are on their way, for a limited time. */
  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), maxCloseMs);
    await Promise.allSettled(this.#unsettled);
    clearTimeout(timer);
  }
}

const createLateError = () =>
  new WharfError("database_unavailable", { reason: `no answer within ${maxReserveMs / 1000} s` });

/** A count comes from outside: the database must be able to store it. */
const toCount = (value: number | undefined): number =>
  value !== undefined && value > 0 ? Math.min(Math.trunc(value), maxCount) : 0;

function createSettlement(
  id: string,
  { status, upstream, durationMs, usage }: RequestOutcome,
  price: ModelPrice | undefined,
): Settlement {
  const counts = {
    input_tokens: toCount(usage?.input_tokens),
    cached_tokens: toCount(usage?.cached_tokens),
    cache_write_tokens: toCount(usage?.cache_write_tokens),
    long_cache_write_tokens: toCount(usage?.long_cache_write_tokens),
    output_tokens: toCount(usage?.output_tokens),
    thinking_tokens: toCount(usage?.thinking_tokens),
  };
  return {
    id,
    ...counts,
    status,
    upstream: upstream === undefined ? undefined : toOneLine(upstream, maxNameBytes),
    duration_ms: Math.round(durationMs),
    cost: usage ? price?.getCost({ ...usage, ...counts }) : 0,
    estimated: usage?.exact === false,
    implausible: usage?.implausible === undefined ? undefined : toOneLine(usage.implausible, maxNameBytes),
  };
}
