import { Link } from "@tanstack/react-router";
import {
  Activity,
  ChartNoAxesColumn,
  FileDiff,
  FolderTree,
  Globe,
  type LucideIcon,
  ScrollText,
  SquareTerminal,
} from "lucide-react";
import { Pane } from "../task-data/task-search.ts";
import styles from "./task-page.module.css";

export const paneLabels: Readonly<Record<Pane, { readonly name: string; readonly Icon: LucideIcon }>> = {
  timeline: { name: "Timeline", Icon: ScrollText },
  changes: { name: "Changes", Icon: FileDiff },
  terminal: { name: "Terminal", Icon: SquareTerminal },
  files: { name: "Files", Icon: FolderTree },
  preview: { name: "Preview", Icon: Globe },
  usage: { name: "Usage", Icon: ChartNoAxesColumn },
  activity: { name: "Activity", Icon: Activity },
};

/** The views of the page: tabs on a desk, the bar at the bottom of a phone. */
export function PaneLinks({ taskId, current }: { taskId: string; current: Pane }) {
  return (
    <nav className={styles.panes} aria-label="Views">
      {Pane.options.map((pane) => {
        const { name, Icon } = paneLabels[pane];
        return (
          <Link
            key={pane}
            to="/tasks/$taskId"
            params={{ taskId }}
            search={({ at }) => ({ pane, ...(at !== undefined && { at }) })}
            data-pane={pane}
            activeProps={{ "aria-current": undefined }}
            {...(pane === current && { "aria-current": "page" as const })}
          >
            <Icon size={16} aria-hidden /> <span>{name}</span>
          </Link>
        );
      })}
    </nav>
  );
}
