import { useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { RunnerSummary } from "@wharf/client";
import { ChevronLeft } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useMemo } from "react";
import { CopyButton } from "../actions/index.ts";
import { queries, useConnectionCheck } from "../api/index.ts";
import { PaneBoundary } from "../task-data/pane-boundary.tsx";
import { usePermissions } from "../task-data/use-permissions.ts";
import { createRunnerPlace } from "../task-data/workspace-place.ts";
import { formatAge, formatCost, useNow, visible } from "../text/index.ts";
import { fleetQueries } from "./fleet-queries.ts";
import { getRunnerName, type RunnerSearch } from "./fleet-search.ts";
import styles from "./fleet.module.css";
import { RunnerButtons } from "./runner-buttons.tsx";
import { CpuFigure, DiskFigure, IdleFigure, MemoryFigure, RunnerStateBadge, RunnerUse } from "./runner-cells.tsx";
import { useRunnerActions } from "./use-runner-actions.tsx";

const TerminalPane = lazy(async () => ({ default: (await import("../terminal/index.ts")).TerminalPane }));
const FilesPane = lazy(async () => ({ default: (await import("../files/index.ts")).FilesPane }));

interface RunnerPageProps {
  readonly runnerId: string;
  readonly search: RunnerSearch;
}

/** One runner: its figures, its terminals and its files. */
export function RunnerPage({ runnerId, search }: RunnerPageProps) {
  const { data: runner } = useSuspenseQuery(fleetQueries.runner(runnerId));
  const { canUseTerminals } = usePermissions();
  const actions = useRunnerActions();
  const { id, run_id: runId, state } = runner;
  const client = useQueryClient();
  const place = useMemo(() => createRunnerPlace({ id, ...(runId !== undefined && { run_id: runId }) }), [id, runId]);
  const pane = search.pane ?? (canUseTerminals ? "terminal" : "files");
  const name = visible(getRunnerName(runner));
  useConnectionCheck();
  // Whether the files and terminals are there depends on the state.
  useEffect(() => void client.invalidateQueries({ queryKey: ["task", id, "workspace"] }), [client, id, state]);
  useEffect(() => {
    document.title = `${name} – Wharf`;
  }, [name]);
  return (
    <main className={styles.runner}>
      <header className={styles.header}>
        <Link to="/fleet" className={styles.back} aria-label="Back to the fleet">
          <ChevronLeft size={18} aria-hidden />
        </Link>
        <h1>{name}</h1>
        <RunnerStateBadge runner={runner} />
        <RunnerButtons runner={runner} actions={actions} />
        <CopyButton text={`wharf runner get ${id.slice(0, 8)}`} label="Copy command" />
      </header>
      <RunnerFigures runner={runner} />
      <nav className={styles.panes} aria-label="Views">
        {(["terminal", "files"] as const).map((one) => (
          <Link
            key={one}
            to="."
            search={{ pane: one }}
            activeProps={{ "aria-current": undefined }}
            {...(one === pane && { "aria-current": "page" as const })}
          >
            {one === "terminal" ? "Terminal" : "Files"}
          </Link>
        ))}
      </nav>
      <section className={styles.pane} aria-label={pane === "terminal" ? "Terminal" : "Files"}>
        <PaneBoundary key={pane}>
          <Suspense fallback={<output className={styles.muted}>Opening…</output>}>
            {pane === "terminal" ? (
              <TerminalPane place={place} terminalId={search.terminal} />
            ) : (
              <FilesPane place={place} file={search.file} />
            )}
          </Suspense>
        </PaneBoundary>
      </section>
      {actions.dialog}
    </main>
  );
}

function RunnerFigures({ runner }: { runner: RunnerSummary }) {
  const now = useNow();
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const { data: costs } = useQuery({ ...fleetQueries.costs, enabled: whoami.permissions.includes("usage:read") });
  const cost = costs?.get(runner.run_id ?? runner.id);
  const figures: readonly (readonly [string, ReactNode])[] = [
    ["Used by", <RunnerUse key="use" runner={runner} />],
    ["Owner", runner.owner ? visible(runner.owner.username) : "–"],
    ["Size", visible(runner.tier)],
    ["Backend", [runner.backend, runner.isolation].filter(Boolean).join(", ")],
    ...(runner.place ? [["Pod", `${runner.place.namespace}/${runner.place.pod}`] as const] : []),
    ["CPUs", <CpuFigure key="cpu" runner={runner} />],
    ["Memory", <MemoryFigure key="memory" runner={runner} />],
    ["Disk", <DiskFigure key="disk" runner={runner} />],
    ["Idle", <IdleFigure key="idle" runner={runner} />],
    ["Cost", cost === undefined ? "–" : formatCost(cost)],
    ["Age", formatAge(runner.created_at, now)],
  ];
  return (
    <dl className={styles.figures}>
      {figures.map(([name, figure]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{figure}</dd>
        </div>
      ))}
    </dl>
  );
}
