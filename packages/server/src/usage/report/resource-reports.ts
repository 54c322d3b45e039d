import type { ResourceGroup, ResourceSums, ResourceUsageQuery, ResourceUsageReport } from "@wharf/contract";
import { sql } from "drizzle-orm";
import type { Database } from "../../store/index.ts";
import { commonGroups, type Group, readReport } from "./read-report.ts";

const groups: { readonly [Name in ResourceGroup]: Group } = {
  ...commonGroups,
  runner: { key: sql`runner_id`, name: sql`select name from runners where id = key` },
};
const sums = sql`
  (coalesce(sum(running_ms), 0) / 1000)::float8 as running_seconds,
  (coalesce(sum(cpu_ms), 0) / 1000)::float8 as cpu_seconds,
  (coalesce(sum(memory_mib_seconds), 0) / 1024 / 3600)::float8 as memory_gib_hours`;

/** Sums up what runners used, by hour. */
export class ResourceReports {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  read(organizationId: string, query: ResourceUsageQuery): Promise<ResourceUsageReport> {
    const { task_id, board_id, user_id, run_id, agent_type } = query;
    const source = {
      table: sql`runner_hours`,
      groups,
      sums,
      order: sql`running_seconds desc, cpu_seconds desc`,
      organizationId,
      filters: { task_id, board_id, user_id, run_id, agent_type },
    };
    return readReport<ResourceSums, ResourceGroup>(this.#db, source, query);
  }
}
