import { Search } from "lucide-react";
import { Suspense, useEffect, useState } from "react";
import { createPreloaded } from "../std/index.ts";
import styles from "./palette.module.css";

const PaletteDialog = createPreloaded(async () => (await import("./palette-dialog.tsx")).PaletteDialog);

/** Finds tasks and does everything that a click does: with Ctrl or ⌘ and K, also while typing. */
export function Palette() {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || event.altKey || event.shiftKey) return;
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setOpen(true);
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
  return (
    <>
      <button className={styles.trigger} onClick={() => setOpen(true)}>
        <Search size={16} aria-hidden /> <span>Go to</span> <kbd>Ctrl K</kbd>
      </button>
      <Suspense>{isOpen && <PaletteDialog onClose={() => setOpen(false)} />}</Suspense>
    </>
  );
}
