import type { ResourceGroup, ResourceSums, ResourceUsageQuery, ResourceUsageReport } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { isVisibleUsage, type VisibilityScope } from "../../access/index.ts";
import type { Database } from "../../store/index.ts";
import { commonGroups, type Group, readReport } from "./read-report.ts";
import { selectResourceHours } from "./select-resource-hours.ts";

const groups: { readonly [Name in ResourceGroup]: Group } = {
  ...commonGroups,
  runner: { key: sql`runner_id`, name: sql`select name from runners where id = key` },
};
const sums = sql`
  (coalesce(sum(running_ms), 0) / 1000)::float8 as running_seconds,
  (coalesce(sum(cpu_ms), 0) / 1000)::float8 as cpu_seconds,
  (coalesce(sum(memory_mib_seconds), 0) / 1024 / 3600)::float8 as memory_gib_hours,
  (coalesce(sum(disk_mib_seconds), 0) / 1024 / 3600)::float8 as storage_gib_hours`;

/** Sums up what runners used and the disks that they held, by hour. */
export class ResourceReports {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  read(scope: VisibilityScope, query: ResourceUsageQuery): Promise<ResourceUsageReport> {
    const { task_id, board_id, user_id, run_id, agent_type } = query;
    const source = {
      selectHours: selectResourceHours,
      groups,
      sums,
      order: sql`running_seconds desc, storage_gib_hours desc, cpu_seconds desc`,
      visible: isVisibleUsage(scope, { hasUser: true }),
      filters: { task_id, board_id, user_id, run_id, agent_type },
    };
    return readReport<ResourceSums, ResourceGroup>(this.#db, source, query);
  }
}
