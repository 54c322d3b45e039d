import { useMemo } from "react";
import { visible, visibleText } from "../../text/index.ts";
import { diffLines } from "./line-diff.ts";
import styles from "./rows.module.css";

/** Of a longer change the timeline shows the beginning; the pane of changes has all of it. */
const maxShownLines = 60;
const marks = { added: "+", removed: "−", same: " " };

interface InlineDiffProps {
  readonly path: string;
  readonly old_text?: string | undefined;
  readonly new_text: string;
}

/** An edit of an agent, as it reported it. */
export function InlineDiff({ path, old_text: before = "", new_text: after }: InlineDiffProps) {
  const lines = useMemo(() => diffLines(visibleText(before), visibleText(after)), [before, after]);
  const added = lines.filter(({ change }) => change === "added").length;
  const removed = lines.filter(({ change }) => change === "removed").length;
  const shown = lines.slice(0, maxShownLines);
  return (
    <figure className={styles.diff}>
      <figcaption>
        <bdi>{visible(getName(path))}</bdi> <ChangeCount added={added} removed={removed} />
      </figcaption>
      <pre tabIndex={0} aria-label={`Changes of ${visible(getName(path))}`}>
        {shown.map(({ change, text }, index) => (
          <span key={index} data-change={change}>
            {marks[change]} {text}
            {"\n"}
          </span>
        ))}
      </pre>
      {lines.length > shown.length && (
        <p className={styles.muted}>{lines.length - shown.length} more lines are in the changes.</p>
      )}
    </figure>
  );
}

/** Agents name files by their path in the runner. */
const getName = (path: string): string => path.replace(/^.*\/workspace\//, "");

function ChangeCount({ added, removed }: { added: number; removed: number }) {
  return (
    <span className={styles.count}>
      <span data-change="added">+{added}</span> <span data-change="removed">−{removed}</span>
    </span>
  );
}
