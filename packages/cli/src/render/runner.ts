import type { RunnerState, RunnerSummary, RunnerWithDetails } from "@wharf/contract";
import { formatIsolationLevel } from "./isolation.ts";
import { formatAge, formatDuration, formatSize } from "./numbers.ts";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { formatFields, type TableStyle, formatTable } from "./table.ts";

const stateColours: Readonly<Record<RunnerState, keyof Style>> = {
  CREATING: "cyan",
  READY: "green",
  STOPPED: "dim",
  DESTROYED: "dim",
  ERROR: "red",
};

const formatState = (state: RunnerState, style: Style): string => style[stateColours[state]](state);

export function formatRunnerTable(runners: readonly RunnerSummary[], look: TableStyle): string {
  const rows = runners.map((runner) => [
    runner.id.slice(0, 8),
    formatState(runner.state, look.style),
    toSingleLine(runner.tier, 40),
    toSingleLine(runner.backend, 40),
    runner.run_id === undefined ? "–" : runner.run_id.slice(0, 8),
    formatAge(runner.created_at),
    toSingleLine(runner.name ?? ""),
  ]);
  return formatTable(["RUNNER", "STATE", "TIER", "BACKEND", "RUN", "CREATED", "NAME"], rows, look);
}

/**
 * `limits` describes in one sentence which limits the server's machine sets on its local runners.
 */
export function formatRunner(
  runner: RunnerWithDetails,
  { style, limits }: { style: Style; limits?: string | undefined },
): string {
  const { resources: size, environment, task, usage } = runner;
  return formatFields(
    [
      ["runner", runner.id],
      ["name", runner.name && toSingleLine(runner.name, 100)],
      ["state", formatState(runner.state, style)],
      ["tier", toSingleLine(runner.tier, 40)],
      ["size", size && `${size.cpu_millicores / 1000} CPU, ${size.memory_mb} MiB, ${size.storage_gb} GiB`],
      [
        "backend",
        [toSingleLine(runner.backend, 40), runner.isolation && formatIsolationLevel(runner.isolation, style)]
          .filter(Boolean)
          .join(", "),
      ],
      ["limits", limits && toSingleLine(limits, 400)],
      ["image", runner.image && toSingleLine(runner.image, 400)],
      ["models", runner.model_route && toSingleLine(runner.model_route, 60)],
      ["run", runner.run_id],
      ["task", task && `${task.id.slice(0, 8)} ${toSingleLine(task.title, 100)}`],
      ["owner", runner.owner && toSingleLine(runner.owner.username, 100)],
      ["last turn", runner.idle_since && `ended ${formatAge(runner.idle_since)}`],
      [
        "used",
        usage &&
          `${formatDuration(usage.cpu_seconds * 1000)} CPU in ${formatDuration(usage.running_seconds * 1000)}, ${formatSize(usage.memory_bytes)} of memory ${formatAge(usage.sampled_at)}`,
      ],
      ["environment", toSingleLine(Object.keys(environment).sort().join(" "), 400)],
      ["error", runner.error_message && style.red(toSingleLine(runner.error_message, 400))],
      ["created", `${toSingleLine(runner.created_at)} (${formatAge(runner.created_at)})`],
    ],
    style,
  );
}
