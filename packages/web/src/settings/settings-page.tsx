import { type ReactNode, useEffect, useId } from "react";
import { useConnectionCheck } from "../api/index.ts";
import { visible } from "../text/index.ts";
import styles from "./settings.module.css";

interface SettingsPageProps {
  readonly title: string;
  readonly children: ReactNode;
}

/** A page of settings: a column of sections. */
export function SettingsPage({ title, children }: SettingsPageProps) {
  useConnectionCheck();
  useEffect(() => {
    document.title = `${visible(title)} – Wharf`;
  }, [title]);
  return (
    <main className={styles.page}>
      <h1>{visible(title)}</h1>
      {children}
    </main>
  );
}

interface SectionProps {
  readonly title: string;
  readonly hint?: ReactNode;
  readonly children: ReactNode;
}

export function Section({ title, hint, children }: SectionProps) {
  const id = useId();
  return (
    <section className={styles.section} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {hint !== undefined && <p className={styles.hint}>{hint}</p>}
      {children}
    </section>
  );
}
