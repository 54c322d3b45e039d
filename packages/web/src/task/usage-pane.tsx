import { useQuery } from "@tanstack/react-query";
import type { Task, Turn } from "@wharf/client";
import { CopyButton, Problem } from "../actions/index.ts";
import { taskQueries } from "../task-data/task-queries.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import { formatCost, formatDuration, visible } from "../text/index.ts";
import styles from "./usage-pane.module.css";

const count = new Intl.NumberFormat("en");

/** What each turn took: time, requests to models, tokens and cost. */
export function UsagePane({ task, turns }: { task: Task; turns: readonly Turn[] }) {
  const { canSeeUsage } = usePermissions();
  const { data: report, error } = useQuery({ ...taskQueries.cost(task.id), enabled: canSeeUsage });
  const rows = new Map(report?.rows.map((row) => [row.key, row]));
  const total = report?.total;
  return (
    <div className={styles.pane} tabIndex={0} role="group" aria-label="Usage of the turns">
      <Problem error={error} />
      <table>
        <caption>
          Costs are those of requests to models.{" "}
          <CopyButton text={`wharf usage --task ${task.id.slice(0, 8)} --by turn`} label="Copy command" />
        </caption>
        <thead>
          <tr>
            <th scope="col">Turn</th>
            <th scope="col">Time</th>
            <th scope="col">Requests</th>
            <th scope="col">Tokens in</th>
            <th scope="col">Tokens out</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {turns.map((turn, index) => {
            const row = rows.get(turn.id);
            return (
              <tr key={turn.id}>
                <th scope="row">
                  {index + 1} <span className={styles.prompt}>{visible(turn.prompt.split("\n", 1)[0] ?? "")}</span>
                </th>
                <td>{getDuration(turn)}</td>
                <td>{count.format(row?.requests ?? 0)}</td>
                <td>{count.format(row ? row.input_tokens + row.cached_tokens + row.cache_write_tokens : 0)}</td>
                <td>{count.format(row?.output_tokens ?? 0)}</td>
                <td>{formatCost(row?.cost_usd ?? 0)}</td>
              </tr>
            );
          })}
        </tbody>
        {total && (
          <tfoot>
            <tr>
              <th scope="row">Total</th>
              <td />
              <td>{count.format(total.requests)}</td>
              <td>{count.format(total.input_tokens + total.cached_tokens + total.cache_write_tokens)}</td>
              <td>{count.format(total.output_tokens)}</td>
              <td>{formatCost(total.cost_usd)}</td>
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

function getDuration({ started_at: start, ended_at: end, state }: Turn): string {
  if (start === undefined) return state === "QUEUED" ? "queued" : "–";
  return end === undefined ? "running" : formatDuration(Date.parse(end) - Date.parse(start));
}
