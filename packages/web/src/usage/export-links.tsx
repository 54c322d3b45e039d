import { Download } from "lucide-react";
import type { Group, Measure } from "./usage-search.ts";
import styles from "./usage.module.css";

interface ExportLinksProps {
  readonly start: string;
  readonly group: Group | "day" | "hour";
  readonly measure: Measure;
}

const maxRows = 10_000;

/** Downloads what `wharf usage` prints with `--csv` and `--json`. */
export function ExportLinks({ start, group, measure }: ExportLinksProps) {
  const resource = measure === "cpu" ? "/resources" : "";
  const query = new URLSearchParams({ from: start, group_by: group, limit: String(maxRows) });
  const name = measure === "cpu" ? "resources" : "usage";
  return (
    <span className={styles.exports}>
      {(["csv", "json"] as const).map((format) => (
        <a
          key={format}
          href={`/api/v1/usage${resource}${format === "csv" ? ".csv" : ""}?${query}`}
          download={`${name}.${format}`}
          aria-label={`Download by ${group} as ${format.toUpperCase()}`}
        >
          <Download size={16} aria-hidden /> {format.toUpperCase()}
        </a>
      ))}
    </span>
  );
}
