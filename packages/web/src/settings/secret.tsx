import { useEffect, useRef } from "react";
import { CopyButton } from "../actions/index.ts";
import styles from "./settings.module.css";

interface SecretProps {
  /** What it is, and that it is shown only now. */
  readonly hint: string;
  readonly text: string;
  readonly onClose: () => void;
}

/** A token or a link that the server shows only once. */
export function Secret({ hint, text, onClose }: SecretProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), [text]);
  return (
    <div ref={box} className={styles.secret} role="group" aria-label={hint} tabIndex={-1}>
      <p>{hint}</p>
      <code>{text}</code>
      <div className={styles.actions}>
        <CopyButton text={text} label="Copy" />
        <button type="button" onClick={onClose}>
          Done
        </button>
      </div>
    </div>
  );
}
