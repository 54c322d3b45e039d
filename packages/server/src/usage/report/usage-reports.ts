import type { UsageGroup, UsageQuery, UsageReport, UsageSums } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { isVisibleUsage, type VisibilityScope } from "../../access/index.ts";
import type { Database } from "../../store/index.ts";
import { commonGroups, type Group, readReport } from "./read-report.ts";

const groups: { readonly [Name in UsageGroup]: Group } = {
  ...commonGroups,
  turn: { key: sql`turn_id` },
  route: { key: sql`route` },
  model: { key: sql`model` },
};
const sums = sql.join(
  [
    ...[
      "requests",
      "failed_requests",
      "estimated_requests",
      "implausible_requests",
      "unpriced_requests",
      "input_tokens",
      "cached_tokens",
      "cache_write_tokens",
      "output_tokens",
      "thinking_tokens",
      "duration_ms",
    ].map((name) => sql`coalesce(sum(${sql.identifier(name)}), 0)::float8 as ${sql.identifier(name)}`),
    sql`(coalesce(sum(cost), 0) / 1000000)::float8 as cost_usd`,
  ],
  sql`, `,
);

/** Sums up the ledger, by its hours. */
export class UsageReports {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  read(scope: VisibilityScope, query: UsageQuery): Promise<UsageReport> {
    const { task_id, board_id, user_id, run_id, agent_type, route, model } = query;
    const source = {
      selectHours: () => sql`usage_hours`,
      groups,
      sums,
      order: sql`cost_usd desc, requests desc`,
      visible: isVisibleUsage(scope, { hasUser: true }),
      filters: { task_id, board_id, user_id, run_id, agent_type, route, model },
    };
    return readReport<UsageSums, UsageGroup>(this.#db, source, query);
  }
}
