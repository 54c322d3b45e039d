import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { CopyButton, Problem } from "../actions/index.ts";
import { queries, useConnectionCheck } from "../api/index.ts";
import { usePageCommands } from "../palette/index.ts";
import { useWide } from "../styles/use-wide.ts";
import { CreateRunner } from "./create-runner.tsx";
import { FleetFilters } from "./fleet-filters.tsx";
import { fleetQueries, maxRunners } from "./fleet-queries.ts";
import { type FleetSearch, getRunnerName, selectRows } from "./fleet-search.ts";
import styles from "./fleet.module.css";
import { QueueTable } from "./queue-table.tsx";
import { actionNames } from "./runner-actions.ts";
import { RunnerCards, RunnerTable } from "./runner-table.tsx";
import { ServerFacts } from "./server-facts.tsx";
import { useFleetKeys } from "./use-fleet-keys.ts";
import { useRunnerActions } from "./use-runner-actions.tsx";

/** All runners that the person sees, what waits for one, and where they run. */
export function FleetPage({ search }: { search: FleetSearch }) {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const permissions = useMemo(() => new Set<string>(whoami.permissions), [whoami]);
  const { data: page, error } = useQuery(fleetQueries.runners(search.state));
  const { data: costs } = useQuery({ ...fleetQueries.costs, enabled: permissions.has("usage:read") });
  const [isCreating, setCreating] = useState(false);
  const actions = useRunnerActions();
  const navigate = useNavigate({ from: "/fleet" });
  const isWide = useWide();
  useConnectionCheck();
  useEffect(() => {
    document.title = "Fleet – Wharf";
  }, []);

  const all = useMemo(
    () => (page?.runners ?? []).map((runner) => ({ runner, cost: costs?.get(runner.run_id ?? runner.id) })),
    [page, costs],
  );
  const rows = useMemo(() => selectRows(all, search), [all, search]);
  const canCreate = permissions.has("runner:create");
  const create = canCreate ? () => setCreating(true) : undefined;
  const getCurrent = useFleetKeys({ ids: rows.map(({ runner }) => runner.id), create });
  usePageCommands(() => {
    const currentId = getCurrent();
    const runner = rows.find((row) => row.runner.id === currentId)?.runner;
    return [
      ...(create ? [{ id: "create-runner", name: "Create a runner", run: create }] : []),
      ...(runner ? actions.list(runner) : []).map((action) => ({
        id: action,
        name: `${actionNames[action]} – ${runner ? getRunnerName(runner).slice(0, 60) : ""}`,
        run: () => runner && actions.ask(runner, action),
      })),
    ];
  });
  const sort = (change: Pick<FleetSearch, "sort" | "order">) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true });

  return (
    <main className={styles.page}>
      <header className={styles.header}>
        <h1>Fleet</h1>
        <FleetFilters search={search} rows={all} canSort={!isWide} />
        <CopyButton text="wharf runner ls" label="Copy command" />
        {create && (
          <button type="button" onClick={create}>
            <Plus size={16} aria-hidden /> Create a runner
          </button>
        )}
      </header>
      <Problem error={error} />
      {!page && !error && <output className={styles.muted}>Reading the runners…</output>}
      {page && rows.length === 0 && (
        <p className={styles.muted}>{all.length === 0 ? "There are no runners." : "No runner matches."}</p>
      )}
      {rows.length > 0 &&
        (isWide ? (
          <RunnerTable rows={rows} search={search} onSort={sort} actions={actions} />
        ) : (
          <RunnerCards rows={rows} actions={actions} />
        ))}
      {page && page.total > maxRunners && (
        <p className={styles.muted}>
          These are the newest {maxRunners} of {page.total} runners. Choose a state to find others.
        </p>
      )}
      <QueueTable canPause={permissions.has("server:admin")} />
      <ServerFacts isOperator={permissions.has("server:admin")} />
      {isCreating && <CreateRunner onClose={() => setCreating(false)} />}
      {actions.dialog}
    </main>
  );
}
