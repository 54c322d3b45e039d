import { Component, memo, type ReactNode } from "react";
import type { Entry, EntryByKind } from "../entry.ts";
import { LineRow } from "./line-row.tsx";
import { MessageRow } from "./message-row.tsx";
import { OutputRow } from "./output-row.tsx";
import { PermissionRow } from "./permission-row.tsx";
import { PlanRow } from "./plan-row.tsx";
import styles from "./rows.module.css";
import { StartRow } from "./start-row.tsx";
import { ThoughtRow } from "./thought-row.tsx";
import { ToolCallRow } from "./tool-call-row.tsx";
import { TurnRow } from "./turn-row.tsx";

/** A line of the timeline. */
export const Row = memo(function Row({ entry }: { entry: Entry }) {
  return <RowBoundary>{toRow(entry)}</RowBoundary>;
});

function toRow(entry: Entry): ReactNode {
  switch (entry.data.kind) {
    case "message":
      return <MessageRow entry={entry as EntryByKind<"message">} />;
    case "thought":
      return <ThoughtRow data={entry.data} />;
    case "output":
      return <OutputRow data={entry.data} />;
    case "tool_call":
      return <ToolCallRow entry={entry as EntryByKind<"tool_call">} />;
    case "plan":
      return <PlanRow data={entry.data} />;
    case "permission":
      return <PermissionRow entry={entry as EntryByKind<"permission">} />;
    case "start":
      return <StartRow data={entry.data} />;
    case "turn":
      return <TurnRow entry={entry as EntryByKind<"turn">} />;
    default:
      return <LineRow timestamp={entry.timestamp} data={entry.data} />;
  }
}

/** A line that cannot be shown takes only itself from the page. */
class RowBoundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    if (!this.state.isBroken) return this.props.children;
    return <p className={styles.line}>This line cannot be shown. The log of the task has it.</p>;
  }
}
