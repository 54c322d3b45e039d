import { Link, Outlet } from "@tanstack/react-router";
import { Suspense } from "react";
import { ShortcutHelp } from "../shortcuts/index.ts";
import { ConnectionStatus } from "./connection-status.tsx";
import styles from "./shell.module.css";

/** What is around every page. */
export function Shell() {
  return (
    <div className={styles.shell}>
      <header className={styles.bar}>
        <Link to="/" className={styles.name}>
          Wharf
        </Link>
        <ConnectionStatus />
        <a href="/account">Account</a>
      </header>
      <Suspense fallback={<output>Loading…</output>}>
        <Outlet />
      </Suspense>
      <ShortcutHelp />
    </div>
  );
}
