import type { EntryByKind } from "../entry.ts";
import { Output } from "./output.tsx";
import styles from "./rows.module.css";

/** What the agent's program printed beside its protocol. */
export function OutputRow({ data }: { data: EntryByKind<"output">["data"] }) {
  return (
    <div className={styles.line}>
      <Output text={data.text} label={data.stream === "stderr" ? "Output on standard error" : "Output"} />
    </div>
  );
}
