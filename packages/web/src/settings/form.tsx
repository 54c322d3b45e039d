import { type ReactNode, type SubmitEvent, useState } from "react";
import styles from "./settings.module.css";

interface FormProps {
  readonly label: string;
  /** The text of the button. */
  readonly action: string;
  /** Returns whether it was done. */
  readonly send: (fields: FormData) => Promise<boolean>;
  readonly children: ReactNode;
}

/** A form that is empty again after it was sent, and keeps what was typed if that failed. */
export function Form({ label, action, send, children }: FormProps) {
  const [isPending, setPending] = useState(false);
  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (isPending) return;
    const form = event.currentTarget;
    setPending(true);
    try {
      if (await send(new FormData(form))) form.reset();
    } finally {
      setPending(false);
    }
  };
  return (
    <form className={styles.form} aria-label={label} onSubmit={(event) => void submit(event)}>
      {children}
      <div className={styles.wide}>
        <button className={styles.main} aria-disabled={isPending}>
          {action}
        </button>
      </div>
    </form>
  );
}

/** Returns what was typed into a field of a form. */
export function readField(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value.trim() : "";
}
