import { visible } from "../text/index.ts";
import styles from "./changes.module.css";
import type { PatchLine, PatchRow } from "./patch.ts";
import type { HighlightedLines } from "./use-highlight.ts";

/** A line of the file before or with the changes. */
export interface LinePlace {
  readonly side: "old" | "new";
  readonly line: number;
}
export type StartComment = (place: LinePlace) => void;

interface Starter {
  /** Opens the form of a comment; absent for people who may not comment. */
  readonly start: StartComment | undefined;
}

interface Shown extends Starter {
  /** The colours of the lines, as soon as they are known. */
  readonly highlighted: HighlightedLines | undefined;
}

const marks = { added: "+", removed: "−", same: " " };

export function PatchRowView({ row, start, highlighted }: { row: PatchRow } & Shown) {
  if ("whole" in row) return <WholeRow line={row.whole} start={start} highlighted={highlighted} />;
  const { before, after } = row;
  const oldPlace = before === after ? undefined : toPlace("old", before?.oldLine);
  return (
    <div className={styles.pair}>
      <Half line={before} number={before?.oldLine} place={oldPlace} start={start} highlighted={highlighted} />
      <Half
        line={after}
        number={after?.newLine}
        place={toPlace("new", after?.newLine)}
        start={start}
        highlighted={highlighted}
      />
    </div>
  );
}

function WholeRow({ line, start, highlighted }: { line: PatchLine } & Shown) {
  const { type, text, oldLine, newLine } = line;
  if (type === "hunk" || type === "note")
    return <p className={styles.whole}>{type === "hunk" ? `Line ${newLine} ${visible(text)}` : visible(text)}</p>;
  const oldPlace = newLine === undefined ? toPlace("old", oldLine) : undefined;
  return (
    <div className={styles.row} data-change={type}>
      <LineNumber line={oldLine} place={oldPlace} start={start} />
      <LineNumber line={newLine} place={toPlace("new", newLine)} start={start} />
      <code>
        {marks[type]} <Line line={line} highlighted={highlighted} />
      </code>
    </div>
  );
}

interface HalfProps extends Shown {
  readonly line: PatchLine | undefined;
  readonly number: number | undefined;
  readonly place: LinePlace | undefined;
}

function Half({ line, number, place, start, highlighted }: HalfProps) {
  return (
    <div className={styles.half} data-change={line?.type ?? "none"}>
      <LineNumber line={number} place={place} start={start} />
      <code>{line && <Line line={line} highlighted={highlighted} />}</code>
    </div>
  );
}

function Line({ line, highlighted }: { line: PatchLine } & Pick<Shown, "highlighted">) {
  const pieces = highlighted?.get(line) ?? [{ text: line.text }];
  return pieces.map(({ text, token }, index) => (
    <span key={index} data-token={token}>
      {showLine(text)}
    </span>
  ));
}

function LineNumber({ line, place, start }: { line: number | undefined; place: LinePlace | undefined } & Starter) {
  if (line === undefined) return <span className={styles.number} />;
  if (!place || !start) return <span className={styles.number}>{line}</span>;
  const label = `Comment on ${place.side === "old" ? "removed line" : "line"} ${line}`;
  return (
    <button type="button" className={styles.number} aria-label={label} title={label} onClick={() => start(place)}>
      {line}
    </button>
  );
}

const toPlace = (side: LinePlace["side"], line: number | undefined): LinePlace | undefined =>
  line === undefined ? undefined : { side, line };

/** Tabs stay; what would mislead a reader is spelt out. */
const showLine = (text: string): string => text.split("\t").map(visible).join("\t");
