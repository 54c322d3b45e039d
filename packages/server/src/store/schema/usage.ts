import { index, boolean, integer, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { createNumberColumn, createTimeColumn } from "./columns.ts";

/**
 * Who asked for what. Usage outlives the tasks and people that caused it, so these columns refer to
 * no table.
 */
const createSourceColumns = () => ({
  organization_id: uuid(),
  board_id: uuid(),
  task_id: uuid(),
  /** The run, or the runner itself if a person created it. */
  run_id: uuid().notNull(),
  turn_id: uuid(),
  user_id: uuid(),
  agent_type: text(),
  tier: text(),
  route: text().notNull(),
  /** The model that the request names. */
  model: text(),
});

/** A request as it was before the gateway forwarded it. */
const createRequestColumns = () => ({
  id: uuid().primaryKey(),
  ...createSourceColumns(),
  /** The relay's id: a request that the relay repeats has the same one. */
  request_id: text().notNull(),
  runner_id: uuid().notNull(),
  kind: text({ enum: ["answer", "embedding"] }).notNull(),
  /** Tokens and micro-USD that are set aside; no cost if the model has no known price. */
  reserved_input_tokens: createNumberColumn().notNull(),
  reserved_output_tokens: createNumberColumn().notNull(),
  reserved_cost: createNumberColumn(),
  price_version: text(),
  server_id: text().notNull(),
  reserved_at: createTimeColumn().notNull().defaultNow(),
});

const createTokenColumns = () => ({
  /** Input that was neither read from a cache nor written to one. */
  input_tokens: createNumberColumn().notNull(),
  cached_tokens: createNumberColumn().notNull(),
  cache_write_tokens: createNumberColumn().notNull(),
  /** The part of `cache_write_tokens` that the provider keeps for an hour. */
  long_cache_write_tokens: createNumberColumn().notNull(),
  /** Including the tokens of thinking. */
  output_tokens: createNumberColumn().notNull(),
  thinking_tokens: createNumberColumn().notNull(),
});

/**
 * Requests for a model that have not ended. A row is written before the gateway forwards the
 * request, and moves to `model_requests` when the answer has ended.
 */
export const model_reservations = pgTable(
  "model_reservations",
  {
    ...createRequestColumns(),
    /** Identifies the process: the server's next start cannot settle what this one began. */
    server_start: uuid().notNull(),
  },
  (t) => [index("model_reservations_server").on(t.server_id)],
);

/** The ledger of requests for a model. A trigger refuses changes of its rows. */
export const model_requests = pgTable(
  "model_requests",
  {
    ...createRequestColumns(),
    ...createTokenColumns(),
    /** Micro-USD; null if the model has no known price. */
    cost: createNumberColumn(),
    /** The status of the answer; 0 if none came. */
    status: integer().notNull(),
    /** The server that was asked last. */
    upstream: text(),
    duration_ms: createNumberColumn().notNull(),
    /** The counts, or some of them, are not those of the provider. */
    estimated: boolean().notNull(),
    /** Why the provider's counts cannot be right. */
    implausible: text(),
    settled_at: createTimeColumn().notNull().defaultNow(),
  },
  (t) => [index("model_requests_settled").on(t.settled_at), index("model_requests_run").on(t.run_id, t.settled_at)],
);

/** The ledger's sums by hour, written together with its rows. */
export const usage_hours = pgTable(
  "usage_hours",
  {
    hour: createTimeColumn().notNull(),
    ...createSourceColumns(),
    requests: createNumberColumn().notNull(),
    failed_requests: createNumberColumn().notNull(),
    estimated_requests: createNumberColumn().notNull(),
    implausible_requests: createNumberColumn().notNull(),
    /** Requests without a known price, which the cost does not contain. */
    unpriced_requests: createNumberColumn().notNull(),
    ...createTokenColumns(),
    cost: createNumberColumn().notNull(),
    duration_ms: createNumberColumn().notNull(),
  },
  (t) => [
    unique("usage_hours_source").on(t.run_id, t.hour, t.turn_id, t.route, t.model).nullsNotDistinct(),
    index("usage_hours_organization").on(t.organization_id, t.hour),
    index("usage_hours_board").on(t.board_id, t.hour),
    index("usage_hours_task").on(t.task_id, t.hour),
    index("usage_hours_user").on(t.user_id, t.hour),
  ],
);
