import { ArrowDown, ArrowUp } from "lucide-react";
import type { ReactNode } from "react";
import { formatCost, formatAge, useNow, visible } from "../text/index.ts";
import { type FleetRow, type FleetSearch, getDefaultOrder, type SortName } from "./fleet-search.ts";
import styles from "./fleet.module.css";
import { RunnerButtons, RunnerViews } from "./runner-buttons.tsx";
import {
  CpuFigure,
  DiskFigure,
  IdleFigure,
  MemoryFigure,
  RunnerLink,
  RunnerStateBadge,
  RunnerUse,
} from "./runner-cells.tsx";
import type { RunnerActions } from "./use-runner-actions.tsx";

interface RunnerListProps {
  readonly rows: readonly FleetRow[];
  readonly search: FleetSearch;
  readonly onSort: (change: Pick<FleetSearch, "sort" | "order">) => void;
  readonly actions: RunnerActions;
}

const columns: readonly { readonly sort?: SortName; readonly name: string; readonly isFigure?: true }[] = [
  { sort: "name", name: "Runner" },
  { sort: "state", name: "State" },
  { name: "Used by" },
  { sort: "owner", name: "Owner" },
  { name: "Size" },
  { sort: "cpu", name: "CPUs", isFigure: true },
  { sort: "memory", name: "Memory", isFigure: true },
  { sort: "disk", name: "Disk", isFigure: true },
  { sort: "idle", name: "Idle", isFigure: true },
  { sort: "cost", name: "Cost", isFigure: true },
  { sort: "created", name: "Age", isFigure: true },
];

/** The runners with their figures; the heads of the columns sort. */
export function RunnerTable({ rows, search, onSort, actions }: RunnerListProps) {
  const now = useNow();
  return (
    <div className={styles.scroller} role="region" aria-label="Runners" tabIndex={0}>
      <table className={styles.table}>
        <thead>
          <tr>
            {columns.map(({ sort, name, isFigure }) => (
              <th key={name} scope="col" data-figure={isFigure} {...getAriaSort(search, sort)}>
                {sort ? <SortButton name={name} sort={sort} search={search} onSort={onSort} /> : name}
              </th>
            ))}
            <th scope="col">Actions</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ runner, cost }) => (
            <tr key={runner.id}>
              <th scope="row">
                <RunnerLink runner={runner} />
              </th>
              <td>
                <RunnerStateBadge runner={runner} />
              </td>
              <td>
                <RunnerUse runner={runner} />
              </td>
              <td>{runner.owner ? visible(runner.owner.username) : <span className={styles.muted}>–</span>}</td>
              <td title={`on ${runner.backend}`}>{visible(runner.tier)}</td>
              <td data-figure>
                <CpuFigure runner={runner} />
              </td>
              <td data-figure>
                <MemoryFigure runner={runner} />
              </td>
              <td data-figure>
                <DiskFigure runner={runner} />
              </td>
              <td data-figure>
                <IdleFigure runner={runner} />
              </td>
              <td data-figure>{cost === undefined ? <span className={styles.muted}>–</span> : formatCost(cost)}</td>
              <td data-figure title={runner.created_at}>
                {formatAge(runner.created_at, now)}
              </td>
              <td>
                <RunnerViews runner={runner} />
                <RunnerButtons runner={runner} actions={actions} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The same on a phone. */
export function RunnerCards({ rows, actions }: Pick<RunnerListProps, "rows" | "actions">) {
  return (
    <ul className={styles.cards} aria-label="Runners">
      {rows.map(({ runner, cost }) => (
        <li key={runner.id}>
          <RunnerLink runner={runner} />
          <RunnerStateBadge runner={runner} />
          <dl className={styles.figures}>
            <Figure name="Used by">
              <RunnerUse runner={runner} />
            </Figure>
            <Figure name="CPUs">
              <CpuFigure runner={runner} />
            </Figure>
            <Figure name="Memory">
              <MemoryFigure runner={runner} />
            </Figure>
            <Figure name="Idle">
              <IdleFigure runner={runner} />
            </Figure>
            {cost !== undefined && <Figure name="Cost">{formatCost(cost)}</Figure>}
          </dl>
          <div className={styles.cardButtons}>
            <RunnerViews runner={runner} />
            <RunnerButtons runner={runner} actions={actions} />
          </div>
        </li>
      ))}
    </ul>
  );
}

const Figure = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const getOrder = ({ sort = "created", order }: FleetSearch, name: SortName): "up" | "down" | undefined =>
  sort === name ? (order ?? getDefaultOrder(name)) : undefined;

function getAriaSort(search: FleetSearch, name: SortName | undefined) {
  const order = name && getOrder(search, name);
  return order ? { "aria-sort": order === "up" ? ("ascending" as const) : ("descending" as const) } : {};
}

interface SortButtonProps extends Pick<RunnerListProps, "search" | "onSort"> {
  readonly name: string;
  readonly sort: SortName;
}

function SortButton({ name, sort, search, onSort }: SortButtonProps) {
  const order = getOrder(search, sort);
  const Icon = order === "up" ? ArrowUp : ArrowDown;
  const reverse = () =>
    onSort({ sort, order: order === undefined ? undefined : order === "up" ? ("down" as const) : ("up" as const) });
  return (
    <button type="button" className={styles.sort} onClick={reverse}>
      {name} {order && <Icon size={12} aria-hidden />}
    </button>
  );
}
