import { formatDuration, visible } from "../text/index.ts";
import { countInput, formatTotalCost, getValue, type ReportRow } from "./report.ts";
import type { Group, Measure } from "./usage-search.ts";
import styles from "./usage.module.css";

export const groupNames: Readonly<Record<Group, string>> = {
  model: "Model",
  user: "User",
  board: "Board",
  tier: "Size",
  agent_type: "Agent",
  task: "Task",
};

interface GroupTableProps {
  readonly rows: readonly ReportRow[];
  readonly group: Group;
  readonly measure: Measure;
}

const count = new Intl.NumberFormat("en");

/** What each user, model or other group used, with a bar of the measure; the most is first. */
export function GroupTable({ rows, group, measure }: GroupTableProps) {
  const sorted = rows.toSorted((a, b) => getValue(b, measure) - getValue(a, measure));
  const max = Math.max(...sorted.map((row) => getValue(row, measure)), 0);
  const hasRunners = group !== "model";
  return (
    <div className={styles.scroller} role="region" aria-label={`Usage by ${groupNames[group]}`} tabIndex={0}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">{groupNames[group]}</th>
            <td />
            <th scope="col">Cost</th>
            <th scope="col">Requests</th>
            <th scope="col">Tokens in</th>
            <th scope="col">Tokens out</th>
            {hasRunners && (
              <>
                <th scope="col">CPU time</th>
                <th scope="col">Runners’ time</th>
              </>
            )}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => {
            const { key, models, runners } = row;
            return (
              <tr key={key}>
                <th scope="row" title={key === null ? undefined : visible(key)}>
                  <bdi>{getName(row)}</bdi>
                </th>
                <td className={styles.barCell}>
                  <Bar share={max === 0 ? 0 : getValue(row, measure) / max} />
                </td>
                <td>{models ? formatTotalCost(models) : "–"}</td>
                <td>{count.format(models?.requests ?? 0)}</td>
                <td>{count.format(models ? countInput(models) : 0)}</td>
                <td>{count.format(models?.output_tokens ?? 0)}</td>
                {hasRunners && (
                  <>
                    <td>{formatDuration((runners?.cpu_seconds ?? 0) * 1_000)}</td>
                    <td>{formatDuration((runners?.running_seconds ?? 0) * 1_000)}</td>
                  </>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function getName({ key, name }: ReportRow): string {
  if (name !== undefined) return visible(name);
  return key === null ? "none" : visible(/^[0-9a-f-]{36}$/.test(key) ? key.slice(0, 8) : key);
}

/** The figures beside it say the same. */
const Bar = ({ share }: { share: number }) => (
  <svg className={styles.bar} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden>
    <rect width={share * 100} height={10} />
  </svg>
);
