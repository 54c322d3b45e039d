import { X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { toasts } from "./toast-store.ts";
import styles from "./toasts.module.css";

export function Toasts() {
  const all = useSyncExternalStore(toasts.subscribe, toasts.get);
  return (
    <div className={styles.toasts} role="status">
      {all.map(({ id, text, isFailure, action }) => (
        <p key={id} className={styles.toast} data-failure={isFailure}>
          <span>{text}</span>
          {action && (
            <button
              onClick={() => {
                toasts.remove(id);
                action.run();
              }}
            >
              {action.label}
            </button>
          )}
          <button className={styles.close} aria-label="Close" onClick={() => toasts.remove(id)}>
            <X size={14} aria-hidden />
          </button>
        </p>
      ))}
    </div>
  );
}
