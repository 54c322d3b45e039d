import { Link, Outlet } from "@tanstack/react-router";
import { CircleUser, Columns3, Plus } from "lucide-react";
import { Suspense } from "react";
import { Palette } from "../palette/index.ts";
import { ShortcutHelp } from "../shortcuts/index.ts";
import { Toasts } from "../toasts/index.ts";
import { ConnectionStatus } from "./connection-status.tsx";
import styles from "./shell.module.css";

/** What is around every page. On a phone the ways to other pages are at the bottom. */
export function Shell() {
  return (
    <div className={styles.shell}>
      <header className={styles.bar}>
        <Link to="/" className={styles.name}>
          Wharf
        </Link>
        <ConnectionStatus />
        <Palette />
      </header>
      <nav className={styles.ways} aria-label="Pages">
        <Link to="/">
          <Columns3 size={16} aria-hidden /> Board
        </Link>
        <Link to="/new" className={styles.new}>
          <Plus size={16} aria-hidden /> New task
        </Link>
        <Link to="/me">
          <CircleUser size={16} aria-hidden /> Me
        </Link>
      </nav>
      <div className={styles.page}>
        <Suspense fallback={<output className={styles.loading}>Loading…</output>}>
          <Outlet />
        </Suspense>
      </div>
      <ShortcutHelp />
      <Toasts />
    </div>
  );
}
