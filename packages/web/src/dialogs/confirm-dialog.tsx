import styles from "./dialogs.module.css";
import { PageDialog } from "./page-dialog.tsx";

interface ConfirmDialogProps {
  readonly title: string;
  /** What is lost, because it cannot be undone. */
  readonly loss: string;
  /** The name of the button that does it. */
  readonly label: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function ConfirmDialog({ title, loss, label, onConfirm, onClose }: ConfirmDialogProps) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return (
    <PageDialog title={title} onClose={onClose}>
      <p className={styles.text}>{loss}</p>
      <div className={styles.buttons}>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className={styles.danger} onClick={confirm}>
          {label}
        </button>
      </div>
    </PageDialog>
  );
}
