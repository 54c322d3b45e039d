import { Dialog } from "@base-ui/react/dialog";
import { type ReactNode, useState } from "react";
import styles from "./settings.module.css";

interface ConfirmButtonProps {
  /** The text of the button, and of the one that confirms. */
  readonly label: string;
  /** What of several things the button is for; only screen readers need it. */
  readonly subject?: string;
  /** The question. */
  readonly title: string;
  /** What will be lost. */
  readonly children: ReactNode;
  /** Returns whether it was done. */
  readonly run: () => Promise<boolean>;
}

/** A button for what cannot be undone: its dialog says what will be lost. */
export function ConfirmButton({ label, subject, title, children, run }: ConfirmButtonProps) {
  const [isOpen, setOpen] = useState(false);
  const [isPending, setPending] = useState(false);
  const confirm = async () => {
    if (isPending) return;
    setPending(true);
    try {
      if (await run()) setOpen(false);
    } finally {
      setPending(false);
    }
  };
  return (
    <Dialog.Root open={isOpen} onOpenChange={setOpen}>
      <Dialog.Trigger aria-label={subject === undefined ? undefined : `${label} ${subject}`}>{label}</Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={styles.dialog}>
          <Dialog.Title className={styles.title}>{title}</Dialog.Title>
          <Dialog.Description render={<div />}>{children}</Dialog.Description>
          <div className={styles.actions}>
            <button className={styles.danger} aria-disabled={isPending} onClick={() => void confirm()}>
              {label}
            </button>
            <Dialog.Close>Cancel</Dialog.Close>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
