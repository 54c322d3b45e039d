import type { RunnerState, RunnerSummary, RunnerView } from "@wharf/contract";
import { oneLine } from "./clean.ts";
import { shownIsolation } from "./isolation.ts";
import { ago } from "./numbers.ts";
import type { Style } from "./style.ts";
import { fields, type Look, table } from "./table.ts";

const paints: Readonly<Record<RunnerState, keyof Style>> = {
  CREATING: "cyan",
  READY: "green",
  STOPPED: "dim",
  DESTROYED: "dim",
  ERROR: "red",
};

const stateText = (state: RunnerState, style: Style): string => style[paints[state]](state);

export function runnerTable(runners: readonly RunnerSummary[], look: Look): string {
  const rows = runners.map((runner) => [
    runner.id.slice(0, 8),
    stateText(runner.state, look.style),
    oneLine(runner.tier, 40),
    oneLine(runner.backend, 40),
    runner.run_id === undefined ? "–" : runner.run_id.slice(0, 8),
    ago(runner.created_at),
    oneLine(runner.name ?? ""),
  ]);
  return table(["RUNNER", "STATE", "TIER", "BACKEND", "RUN", "CREATED", "NAME"], rows, look);
}

/** `limits`: what the server's machine limits of its local runners, in one sentence. */
export function runnerText(
  runner: RunnerView,
  { style, limits }: { style: Style; limits?: string | undefined },
): string {
  const { resources: size, environment } = runner;
  return fields(
    [
      ["runner", runner.id],
      ["name", runner.name && oneLine(runner.name, 100)],
      ["state", stateText(runner.state, style)],
      ["tier", oneLine(runner.tier, 40)],
      ["size", size && `${size.cpu_millicores / 1000} CPU, ${size.memory_mb} MiB, ${size.storage_gb} GiB`],
      [
        "backend",
        [oneLine(runner.backend, 40), runner.isolation && shownIsolation(runner.isolation, style)]
          .filter(Boolean)
          .join(", "),
      ],
      ["limits", limits && oneLine(limits, 400)],
      ["image", runner.image && oneLine(runner.image, 400)],
      ["models", runner.model_route && oneLine(runner.model_route, 60)],
      ["run", runner.run_id],
      ["environment", oneLine(Object.keys(environment).sort().join(" "), 400)],
      ["error", runner.error_message && style.red(oneLine(runner.error_message, 400))],
      ["created", `${oneLine(runner.created_at)} (${ago(runner.created_at)})`],
    ],
    style,
  );
}
