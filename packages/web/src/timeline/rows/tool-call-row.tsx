import {
  CircleCheck,
  CircleDot,
  CircleX,
  FilePen,
  FileSearch,
  Globe,
  type LucideIcon,
  Search,
  SquareTerminal,
  Wrench,
} from "lucide-react";
import { formatDuration, visible, visibleText } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import { InlineDiff } from "./inline-diff.tsx";
import { Output } from "./output.tsx";
import styles from "./rows.module.css";

type ToolCall = EntryByKind<"tool_call">["data"];

const kindIcons: Readonly<Record<string, LucideIcon>> = {
  edit: FilePen,
  execute: SquareTerminal,
  fetch: Globe,
  read: FileSearch,
  search: Search,
};

/** Edits are open, because they are the result; everything else that an agent does is one line. */
export function ToolCallRow({ entry: { data, timestamp, changedAt } }: { entry: EntryByKind<"tool_call"> }) {
  const Icon = kindIcons[data.tool_kind ?? ""] ?? Wrench;
  const isOver = data.status === "completed" || data.status === "failed";
  const ms = Date.parse(changedAt) - Date.parse(timestamp);
  const summary = (
    <>
      <Icon size={16} aria-hidden />{" "}
      <bdi className={styles.title}>{visible(data.title ?? data.tool_kind ?? "tool")}</bdi>{" "}
      <Status status={data.status} />
      {isOver && ms >= 1_000 && <span className={styles.muted}> {formatDuration(ms)}</span>}
    </>
  );
  if (!hasDetails(data)) return <p className={styles.tool}>{summary}</p>;
  const isOpen = data.status === "failed" || data.content?.some(({ type }) => type === "diff");
  return (
    <details className={styles.tool} open={isOpen}>
      <summary>{summary}</summary>
      <Details data={data} />
    </details>
  );
}

const hasDetails = ({ content = [], raw_input: input }: ToolCall): boolean => content.length > 0 || input !== undefined;

function Details({ data: { content = [], raw_input: input } }: { data: ToolCall }) {
  return (
    <>
      {content.length === 0 && input !== undefined && <Output text={formatInput(input)} label="Input" />}
      {content.map((part, index) => {
        if (part.type === "diff") return <InlineDiff key={index} {...part} />;
        if (part.type === "text") return <Output key={index} text={part.text} label="Result" />;
        return (
          <p key={index} className={styles.muted}>
            Its output is in the terminal {visible(part.terminal_id.slice(0, 8))}.
          </p>
        );
      })}
    </>
  );
}

const formatInput = (input: unknown): string => visibleText(JSON.stringify(input, undefined, 2) ?? "");

function Status({ status = "pending" }: { status: string | undefined }) {
  const Icon = status === "completed" ? CircleCheck : status === "failed" ? CircleX : CircleDot;
  return (
    <span className={styles.status} data-status={status}>
      <Icon size={14} aria-hidden /> {visible(status.replace("_", " "))}
    </span>
  );
}
