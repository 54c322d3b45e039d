import { visibleText } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import styles from "./rows.module.css";

const maxTitleLength = 90;

/** A thought is folded: its first line says whether the rest matters. */
export function ThoughtRow({ data }: { data: EntryByKind<"thought">["data"] }) {
  const text = visibleText(data.text).trim();
  const [title = ""] = text.split("\n", 1);
  return (
    <details className={styles.thought}>
      <summary>{title.length > maxTitleLength ? `${title.slice(0, maxTitleLength)}…` : title || "Thought"}</summary>
      <p className={styles.preformatted}>{text}</p>
    </details>
  );
}
