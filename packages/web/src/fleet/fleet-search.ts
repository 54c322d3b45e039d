import type { RunnerSummary } from "@wharf/client";
import { z } from "zod";

const states = ["CREATING", "READY", "STOPPED", "DESTROYED", "ERROR"] as const;
export const sortNames = ["created", "name", "state", "cpu", "memory", "disk", "idle", "owner", "cost"] as const;
export type SortName = (typeof sortNames)[number];

/** Which runners the page shows, as its address has it: a link shows a colleague the same. */
export const FleetSearch = z.object({
  text: z.string().max(200).optional().catch(undefined),
  state: z.enum(states).optional().catch(undefined),
  owner: z.string().max(200).optional().catch(undefined),
  sort: z.enum(sortNames).optional().catch(undefined),
  order: z.enum(["up", "down"]).optional().catch(undefined),
});
export type FleetSearch = z.infer<typeof FleetSearch>;

/** The view of one runner, with the names that the task's page has. */
export const RunnerSearch = z.object({
  pane: z.enum(["terminal", "files"]).optional().catch(undefined),
  file: z.string().max(4_096).optional().catch(undefined),
  terminal: z.uuid().optional().catch(undefined),
});
export type RunnerSearch = z.infer<typeof RunnerSearch>;

/** A runner with what its models cost; absent if the person may not see that. */
export interface FleetRow {
  readonly runner: RunnerSummary;
  readonly cost?: number | undefined;
}

/** The processors that a runner used on average since it was started. */
export const getMeanCpus = ({ usage }: RunnerSummary): number | undefined =>
  usage && usage.running_seconds > 0 ? usage.cpu_seconds / usage.running_seconds : undefined;

export const getRunnerName = ({ name, task, id }: Pick<RunnerSummary, "name" | "task" | "id">): string =>
  name ?? task?.title ?? id.slice(0, 8);

type SortValue = string | number | undefined;

const sortValues: Readonly<Record<SortName, (row: FleetRow) => SortValue>> = {
  created: ({ runner }) => Date.parse(runner.created_at),
  name: ({ runner }) => getRunnerName(runner).toLowerCase(),
  state: ({ runner }) => states.indexOf(runner.state),
  cpu: ({ runner }) => getMeanCpus(runner),
  memory: ({ runner }) => runner.usage?.memory_bytes,
  disk: ({ runner }) => runner.disk_bytes,
  idle: ({ runner }) => (runner.idle_since === undefined ? undefined : -Date.parse(runner.idle_since)),
  owner: ({ runner }) => runner.owner?.username.toLowerCase(),
  cost: ({ cost }) => cost,
};

/** Texts begin with A; of all else, most comes first. */
export const getDefaultOrder = (name: SortName): "up" | "down" =>
  name === "name" || name === "owner" || name === "state" ? "up" : "down";

/** Selects and sorts the runners. Those without a value are last in either order. */
export function selectRows(
  rows: readonly FleetRow[],
  { text, owner, sort = "created", order }: FleetSearch,
): FleetRow[] {
  const words = (text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const matches = ({ runner }: FleetRow) => {
    if (owner !== undefined && runner.owner?.username !== owner) return false;
    const { agent_type: agent = "", tier, backend, id } = runner;
    const names = [getRunnerName(runner), runner.task?.title ?? "", agent, tier, backend].join(" ").toLowerCase();
    return words.every((word) => names.includes(word) || id.startsWith(word));
  };
  const getValue = sortValues[sort];
  const sign = (order ?? getDefaultOrder(sort)) === "up" ? 1 : -1;
  return rows.filter(matches).toSorted((a, b) => compare(getValue(a), getValue(b), sign));
}

function compare(a: SortValue, b: SortValue, sign: number): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -sign : sign;
}
