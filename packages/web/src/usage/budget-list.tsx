import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Budget } from "@wharf/client";
import { CopyButton, Problem } from "../actions/index.ts";
import { formatCost, useNow, visible } from "../text/index.ts";
import { estimateEnd, getShare } from "./budget-burn.ts";
import { usageQueries } from "./usage-queries.ts";
import styles from "./usage.module.css";

/** The budgets, with what is spent, what is set aside, and where the period may end. */
export function BudgetList() {
  const { data: budgets, error } = useQuery(usageQueries.budgets);
  return (
    <section className={styles.section} aria-labelledby="usage-budgets">
      <header>
        <h2 id="usage-budgets">Budgets</h2>
        <CopyButton text="wharf budget" label="Copy command" />
      </header>
      <Problem error={error} />
      {budgets?.length === 0 && <p className={styles.muted}>No one has set a budget.</p>}
      {budgets && budgets.length > 0 && (
        <ul className={styles.budgets}>
          {budgets.map((budget) => (
            <BudgetItem key={budget.id} budget={budget} />
          ))}
        </ul>
      )}
    </section>
  );
}

const scopeNames = { organization: "Organization", board: "Board", user: "User", task: "Task" } as const;
const periodNames = { total: "in all", day: "a day", month: "a month" } as const;
const actionNames = {
  warn: "then the log warns",
  pause: "then tasks wait",
  stop: "then runs end",
} as const;

function BudgetItem({ budget }: { budget: Budget }) {
  const now = useNow();
  const { scope, name, task_id: taskId, amount_usd: amount, period, action, spent_usd: spent, reserved_usd } = budget;
  const share = getShare(budget);
  const percent = `${Math.round(share * 100)} %`;
  const end = estimateEnd(budget, now);
  return (
    <li data-level={share >= 1 ? "over" : share >= budget.warn_share ? "warn" : "room"}>
      <h3>
        <span className={styles.muted}>{scopeNames[scope]}</span>{" "}
        {taskId === undefined ? (
          <bdi>{visible(name)}</bdi>
        ) : (
          <Link to="/tasks/$taskId" params={{ taskId }}>
            <bdi>{visible(name)}</bdi>
          </Link>
        )}
      </h3>
      <meter min={0} max={1} value={Math.min(share, 1)} aria-label={`Spent of the budget of ${visible(name)}`}>
        {percent}
      </meter>
      <p>
        {formatCost(spent)} of {formatCost(amount)} {periodNames[period]} ({percent}), {actionNames[action]}
        {reserved_usd > 0 && `; ${formatCost(reserved_usd)} is set aside for open requests`}
        {end !== undefined && `; at this rate ${formatCost(end)} at the end of the ${period}`}
      </p>
    </li>
  );
}
