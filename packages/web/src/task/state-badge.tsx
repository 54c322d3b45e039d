import type { TaskState } from "@wharf/client";
import {
  Circle,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CirclePause,
  CircleSlash,
  CircleQuestionMark,
  type LucideIcon,
} from "lucide-react";
import styles from "./task-header.module.css";

const labels: Readonly<Record<TaskState, { readonly text: string; readonly Icon: LucideIcon }>> = {
  TODO: { text: "To do", Icon: Circle },
  IN_PROGRESS: { text: "Running", Icon: CircleDot },
  BLOCKED: { text: "Needs you", Icon: CircleQuestionMark },
  REVIEW: { text: "Review", Icon: CircleDashed },
  COMPLETED: { text: "Done", Icon: CircleCheck },
  FAILED: { text: "Failed", Icon: CircleAlert },
  CANCELLED: { text: "Cancelled", Icon: CircleSlash },
};

const paused = { text: "Paused", Icon: CirclePause };

export function StateBadge({ state, isPaused }: { state: TaskState; isPaused: boolean }) {
  const { text, Icon } = isPaused && state === "IN_PROGRESS" ? paused : labels[state];
  return (
    <output className={styles.state} data-state={state} aria-label="State">
      <Icon size={16} aria-hidden /> {text}
    </output>
  );
}
