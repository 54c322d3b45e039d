import { Circle, CircleCheck, CircleDot, type LucideIcon } from "lucide-react";
import { visibleText } from "../../text/index.ts";
import type { EntryByKind } from "../entry.ts";
import styles from "./rows.module.css";

const statuses: Readonly<Record<string, { readonly Icon: LucideIcon; readonly text: string }>> = {
  completed: { Icon: CircleCheck, text: "done" },
  in_progress: { Icon: CircleDot, text: "in progress" },
};
const pending = { Icon: Circle, text: "to do" };

export function PlanRow({ data: { entries } }: { data: EntryByKind<"plan">["data"] }) {
  const done = entries.filter(({ status }) => status === "completed").length;
  return (
    <section className={styles.card} aria-label="Plan">
      <h2 className={styles.speaker}>
        Plan: {done} of {entries.length} done
      </h2>
      <ul className={styles.plan}>
        {entries.map(({ content, status }, index) => {
          const { Icon, text } = statuses[status] ?? pending;
          return (
            <li key={index} data-status={status}>
              <Icon size={16} role="img" aria-label={text} /> <span>{visibleText(content)}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
