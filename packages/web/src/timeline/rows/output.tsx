import { useState } from "react";
import { visibleText } from "../../text/index.ts";
import styles from "./rows.module.css";

/** A longer output shows its end, where programs say how it went. */
const maxShownLines = 12;
const maxShownLength = 4_000;

/** The output of a program, of which a long one is folded. */
export function Output({ text, label }: { text: string; label: string }) {
  const [isWhole, setWhole] = useState(false);
  const whole = visibleText(text).trimEnd();
  const end = whole.slice(-maxShownLength).split("\n").slice(-maxShownLines).join("\n");
  const isLong = end.length < whole.length;
  return (
    <>
      {isLong && (
        <button type="button" className={styles.fold} onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
          {isWhole ? "Show only the end" : `Show all of ${whole.split("\n").length} lines`}
        </button>
      )}
      <pre className={styles.output} tabIndex={0} aria-label={label}>
        {isWhole ? whole : end}
      </pre>
    </>
  );
}
