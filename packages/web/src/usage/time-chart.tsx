import { formatValue, getValue, type ReportRow } from "./report.ts";
import type { Measure } from "./usage-search.ts";
import styles from "./usage.module.css";

interface TimeChartProps {
  readonly title: string;
  /** The hours or days, in their order. */
  readonly rows: readonly ReportRow[];
  readonly measure: Measure;
  readonly group: "hour" | "day";
}

/** The units of the drawing: the page stretches it. */
const heightUnits = 100;
const stepUnits = 10;
const gapUnits = 2;
/** A little is more than nothing. */
const minBarUnits = 1;

const formats = {
  day: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" }),
  hour: new Intl.DateTimeFormat(undefined, { timeStyle: "short", timeZone: "UTC" }),
};

/** A bar for each hour or day, with a table of the same. Times are in UTC, as in all reports. */
export function TimeChart({ title, rows, measure, group }: TimeChartProps) {
  const points = rows.map((row) => ({
    time: formats[group].format(new Date(row.key ?? 0)),
    value: getValue(row, measure),
  }));
  const max = Math.max(...points.map(({ value }) => value), 0);
  const total = points.reduce((sum, { value }) => sum + value, 0);
  const summary = `${title}: ${formatValue(total, measure)} in all, at most ${formatValue(max, measure)} per ${group}`;
  return (
    <figure className={styles.chart}>
      <figcaption>
        {title}, per {group} <span className={styles.muted}>at most {formatValue(max, measure)}</span>
      </figcaption>
      <svg
        role="img"
        aria-label={summary}
        viewBox={`0 0 ${points.length * stepUnits} ${heightUnits}`}
        preserveAspectRatio="none"
      >
        {points.map(({ time, value }, index) => {
          const height = value === 0 ? 0 : Math.max((value / max) * heightUnits, minBarUnits);
          return (
            <rect
              key={time}
              x={index * stepUnits + gapUnits / 2}
              y={heightUnits - height}
              width={stepUnits - gapUnits}
              height={height}
            >
              <title>{`${time}: ${formatValue(value, measure)}`}</title>
            </rect>
          );
        })}
      </svg>
      <div className={styles.axis} aria-hidden>
        <span>{points[0]?.time}</span>
        <span>{points.at(-1)?.time}</span>
      </div>
      <details>
        <summary>Table</summary>
        <div className={styles.scroller} role="region" aria-label={`${title} per ${group}`} tabIndex={0}>
          <table className={styles.table}>
            <thead>
              <tr>
                <th scope="col">{group === "day" ? "Day" : "Hour"} (UTC)</th>
                <th scope="col">{title}</th>
              </tr>
            </thead>
            <tbody>
              {points.map(({ time, value }) => (
                <tr key={time}>
                  <th scope="row">{time}</th>
                  <td>{formatValue(value, measure)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
