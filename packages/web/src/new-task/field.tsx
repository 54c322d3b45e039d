import { type ReactNode, useId } from "react";
import styles from "./new-task.module.css";

/** What connects an input with its name and its hint. */
interface InputProps {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: (props: InputProps) => ReactNode;
}

/** A field of a form with its name, and what to know about it. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": hint === undefined ? undefined : hintId })}
      {hint !== undefined && <small id={hintId}>{hint}</small>}
    </div>
  );
}
