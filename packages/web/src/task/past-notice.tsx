import { useShortcuts } from "../shortcuts/index.ts";
import styles from "./task-page.module.css";

/** Says that the timeline is not live, and leads back. */
export function PastNotice({ onLive }: { onLive: () => void }) {
  useShortcuts({ Escape: onLive });
  return (
    <p className={styles.past}>
      <span>As it was then. Changes, files and terminals are those of now.</span>
      <button type="button" onClick={onLive} aria-keyshortcuts="Escape">
        Back to live
      </button>
    </p>
  );
}
