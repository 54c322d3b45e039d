import { queryOptions } from "@tanstack/react-query";
import type { ResourceGroup } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { getStart, getTimeGroup, joinRows } from "./report.ts";
import type { Group } from "./usage-search.ts";

/** Pages in hidden tabs do not ask. */
const refreshIntervalMs = 15_000;
/** The most expensive rows; an export has more. */
const maxRows = 100;

/** The groups that reports of runners have too. */
const resourceGroups: ReadonlySet<string> = new Set<ResourceGroup>(["user", "board", "tier", "agent_type", "task"]);
const isResourceGroup = (group: Group): group is Group & ResourceGroup => resourceGroups.has(group);

/** The cached reports; all keys begin with `usage`. */
export const usageQueries = {
  byTime: (days: number) =>
    queryOptions({
      queryKey: ["usage", "time", days],
      queryFn: async ({ signal }) => {
        const query = { from: getStart(days, Date.now()), group_by: getTimeGroup(days) };
        const [models, runners] = await Promise.all([
          wharf.usage.getUsage(query, { signal }),
          wharf.usage.getResourceUsage(query, { signal }),
        ]);
        const total = { models: models.total, runners: runners.total };
        return { start: query.from, rows: joinRows(models.rows, runners.rows), total };
      },
      refetchInterval: refreshIntervalMs,
    }),
  byGroup: (days: number, group: Group) =>
    queryOptions({
      queryKey: ["usage", "group", days, group],
      queryFn: async ({ signal }) => {
        const query = { from: getStart(days, Date.now()), limit: maxRows };
        const [models, runners] = await Promise.all([
          wharf.usage.getUsage({ ...query, group_by: group }, { signal }),
          isResourceGroup(group) ? wharf.usage.getResourceUsage({ ...query, group_by: group }, { signal }) : undefined,
        ]);
        const isTruncated = models.truncated || runners?.truncated === true;
        return { rows: joinRows(models.rows, runners?.rows ?? []), isTruncated };
      },
      refetchInterval: refreshIntervalMs,
    }),
  budgets: queryOptions({
    queryKey: ["usage", "budgets"],
    queryFn: async ({ signal }) => (await wharf.budgets.listBudgets({ limit: 1_000 }, { signal })).budgets,
    refetchInterval: refreshIntervalMs,
  }),
};
