import type { HostUsageQuery, HostUsageReport } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { isVisibleUsage, type VisibilityScope } from "../../access/index.ts";
import { type Database, schema } from "../../store/index.ts";

const { host_usage } = schema;

const sumColumn = (column: PgColumn) => sql`sum(${column})`.mapWith(Number);

/** Sums up the traffic of runners, by host. */
export class HostReports {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async read(scope: VisibilityScope, { task_id, board_id, limit }: HostUsageQuery): Promise<HostUsageReport> {
    const rows = await this.#db
      .select({
        host: host_usage.host,
        connections: sumColumn(host_usage.connections),
        bytes_in: sumColumn(host_usage.bytes_in),
        bytes_out: sumColumn(host_usage.bytes_out),
        first_at: sql`min(${host_usage.first_at})`.mapWith(host_usage.first_at),
        last_at: sql`max(${host_usage.last_at})`.mapWith(host_usage.last_at),
      })
      .from(host_usage)
      .where(
        and(
          isVisibleUsage(scope, { hasUser: false }),
          task_id === undefined ? undefined : eq(host_usage.task_id, task_id),
          board_id === undefined ? undefined : eq(host_usage.board_id, board_id),
        ),
      )
      .groupBy(host_usage.host)
      .orderBy(sql`sum(${host_usage.bytes_out}) desc`, host_usage.host)
      .limit(limit + 1);
    const hosts = rows.slice(0, limit).map(({ first_at, last_at, ...row }) => ({
      ...row,
      first_at: first_at.toISOString(),
      last_at: last_at.toISOString(),
    }));
    return { hosts, truncated: rows.length > limit };
  }
}
