import type { ReactNode } from "react";
import styles from "./settings.module.css";

interface RowsProps {
  readonly label: string;
  /** What is said if there is no row. */
  readonly empty: string;
  readonly children: readonly ReactNode[];
}

/** A list of things, each with what can be done to it. */
export function Rows({ label, empty, children }: RowsProps) {
  if (children.length === 0) return <p className={styles.hint}>{empty}</p>;
  return (
    <ul className={styles.rows} aria-label={label}>
      {children}
    </ul>
  );
}

interface RowProps {
  readonly name: ReactNode;
  /** A word or two beside the name. */
  readonly badge?: string | undefined;
  readonly details?: ReactNode;
  /** The buttons and fields at the end of the row. */
  readonly children?: ReactNode;
}

export function Row({ name, badge, details, children }: RowProps) {
  return (
    <li className={styles.row}>
      <div className={styles.about}>
        <p className={styles.name}>
          {name} {badge !== undefined && <span className={styles.badge}>{badge}</span>}
        </p>
        {details !== undefined && <p className={styles.details}>{details}</p>}
      </div>
      {children !== undefined && <div className={styles.actions}>{children}</div>}
    </li>
  );
}
