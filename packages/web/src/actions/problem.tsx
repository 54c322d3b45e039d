import { formatError } from "../api/index.ts";
import styles from "./actions.module.css";

/** Says what went wrong and what to do next, beside what was tried. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null;
  const { message, next } = formatError(error);
  return (
    <p role="alert" className={styles.problem}>
      {message} {next}
    </p>
  );
}
