import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { CopyButton, Problem } from "../actions/index.ts";
import { queries, useConnectionCheck } from "../api/index.ts";
import { formatDuration, useNow } from "../text/index.ts";
import { BudgetList } from "./budget-list.tsx";
import { ExportLinks } from "./export-links.tsx";
import { GroupTable, groupNames } from "./group-table.tsx";
import { countInput, fillTimes, formatTotalCost, formatValue, getStart, getTimeGroup, type Sums } from "./report.ts";
import { TimeChart } from "./time-chart.tsx";
import { usageQueries } from "./usage-queries.ts";
import { groups, isCounted, type Measure, measures, ranges, type UsageSearch } from "./usage-search.ts";
import styles from "./usage.module.css";

const measureNames: Readonly<Record<Measure, string>> = { cost: "Cost", tokens: "Tokens", cpu: "CPU time" };

/** What models and runners used, and the budgets. */
export function UsagePage({ search }: { search: UsageSearch }) {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const permissions = new Set<string>(whoami.permissions);
  useConnectionCheck();
  useEffect(() => {
    document.title = "Usage – Wharf";
  }, []);
  return (
    <main className={styles.page}>
      {permissions.has("usage:read") ? <Reports search={search} /> : <p>You may not see what was used.</p>}
      {permissions.has("budget:read") && <BudgetList />}
    </main>
  );
}

function Reports({ search }: { search: UsageSearch }) {
  const { days = 30, by: group = "model", measure = "cost" } = search;
  const { data: times, error } = useQuery(usageQueries.byTime(days));
  const { data: grouped, error: groupError } = useQuery(usageQueries.byGroup(days, group));
  const now = useNow();
  const timeGroup = getTimeGroup(days);
  const start = times?.start ?? getStart(days, now);
  const isOfRunners = measure === "cpu" && isCounted(measure, group);
  const command = `wharf usage${isOfRunners ? " --resources" : ""} --by ${group} --from ${start.slice(0, 10)}`;
  return (
    <>
      <header className={styles.header}>
        <h1>Usage</h1>
        <Choices days={days} group={group} measure={measure} />
        <CopyButton text={command} label="Copy command" />
      </header>
      <Problem error={error ?? groupError} />
      {!times && !error && <output className={styles.muted}>Reading the reports…</output>}
      {times && (
        <>
          <Totals total={times.total} />
          <div className={styles.section}>
            <TimeChart
              title={measureNames[measure]}
              rows={fillTimes(times.rows, times.start, Math.max(now, Date.parse(times.start)), timeGroup)}
              measure={measure}
              group={timeGroup}
            />
            <ExportLinks start={start} group={timeGroup} measure={measure} />
          </div>
        </>
      )}
      {grouped && (
        <section className={styles.section} aria-labelledby="usage-groups">
          <header>
            <h2 id="usage-groups">By {groupNames[group].toLowerCase()}</h2>
            {isCounted(measure, group) && <ExportLinks start={start} group={group} measure={measure} />}
          </header>
          {!isCounted(measure, group) && (
            <p className={styles.muted}>CPU time is that of runners, and not known by model.</p>
          )}
          {grouped.rows.length === 0 ? (
            <p className={styles.muted}>Nothing was used in this time.</p>
          ) : (
            <GroupTable rows={grouped.rows} group={group} measure={measure} />
          )}
          {grouped.isTruncated && <p className={styles.muted}>These are the largest rows. An export has more.</p>}
        </section>
      )}
    </>
  );
}

function Choices({ days, group, measure }: { days: number; group: string; measure: Measure }) {
  const navigate = useNavigate({ from: "/usage" });
  const update = (change: UsageSearch) =>
    void navigate({ search: (previous) => ({ ...previous, ...change }), replace: true });
  return (
    <div className={styles.choices}>
      <select
        aria-label="Time"
        value={days}
        onChange={({ target }) => update({ days: ranges.find((one) => String(one) === target.value) })}
      >
        {ranges.map((one) => (
          <option key={one} value={one}>
            {one === 1 ? "Today" : `${one} days`}
          </option>
        ))}
      </select>
      <select
        aria-label="Measure"
        value={measure}
        onChange={({ target }) => update({ measure: measures.find((one) => one === target.value) })}
      >
        {measures.map((one) => (
          <option key={one} value={one}>
            {measureNames[one]}
          </option>
        ))}
      </select>
      <select
        aria-label="Group"
        value={group}
        onChange={({ target }) => update({ by: groups.find((one) => one === target.value) })}
      >
        {groups.map((one) => (
          <option key={one} value={one}>
            By {groupNames[one].toLowerCase()}
          </option>
        ))}
      </select>
    </div>
  );
}

function Totals({ total: { models, runners } }: { total: Sums }) {
  const figures = [
    ...(models
      ? [
          ["Cost", formatTotalCost(models)],
          ["Requests", formatValue(models.requests, "tokens")],
          ["Tokens in", formatValue(countInput(models), "tokens")],
          ["Tokens out", formatValue(models.output_tokens, "tokens")],
        ]
      : []),
    ...(runners
      ? [
          ["CPU time", formatDuration(runners.cpu_seconds * 1_000)],
          ["Runners’ time", formatDuration(runners.running_seconds * 1_000)],
        ]
      : []),
  ] as const;
  const unpriced = models?.unpriced_requests ?? 0;
  return (
    <>
      <dl className={styles.totals}>
        {figures.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      {unpriced > 0 && (
        <p className={styles.muted}>
          The price of {unpriced === 1 ? "one request" : `${unpriced} requests`} is unknown. WHARF_PRICES adds prices.
        </p>
      )}
    </>
  );
}
