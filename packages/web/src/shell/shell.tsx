import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { ChartNoAxesColumn, CircleUser, Columns3, Plus, Server, Settings } from "lucide-react";
import { Suspense } from "react";
import { listAdminSections } from "../admin/index.ts";
import { queries } from "../api/index.ts";
import { TaskNotifications } from "../notifications/index.ts";
import { Palette } from "../palette/index.ts";
import { ShortcutHelp } from "../shortcuts/index.ts";
import { Toasts } from "../toasts/index.ts";
import { ConnectionStatus } from "./connection-status.tsx";
import { OrganizationSelect } from "./organization-select.tsx";
import styles from "./shell.module.css";

/** What is around every page. On a phone the ways to other pages are at the bottom. */
export function Shell() {
  const { data: whoami } = useQuery(queries.whoami);
  const canAdminister = listAdminSections(whoami?.permissions ?? []).length > 0;
  return (
    <div className={styles.shell}>
      <header className={styles.bar}>
        <Link to="/" className={styles.name}>
          Wharf
        </Link>
        <OrganizationSelect />
        <ConnectionStatus />
        <Palette />
      </header>
      <nav className={styles.ways} aria-label="Pages">
        <Link to="/">
          <Columns3 size={16} aria-hidden /> Board
        </Link>
        <Link to="/fleet">
          <Server size={16} aria-hidden /> Fleet
        </Link>
        <Link to="/usage">
          <ChartNoAxesColumn size={16} aria-hidden /> Usage
        </Link>
        <Link to="/new" className={styles.new}>
          <Plus size={16} aria-hidden /> New task
        </Link>
        {canAdminister && (
          <Link to="/admin">
            <Settings size={16} aria-hidden /> Admin
          </Link>
        )}
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
      <TaskNotifications />
      <Toasts />
    </div>
  );
}
