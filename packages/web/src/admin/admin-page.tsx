import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ComponentType, Suspense } from "react";
import { queries } from "../api/index.ts";
import { SettingsPage } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import type { AdminSearch } from "./admin-search.ts";
import { type AdminSectionId, listAdminSections } from "./admin-sections.ts";
import styles from "./admin.module.css";
import { AgentTypes } from "./agents/agent-types.tsx";
import { Audit } from "./audit/audit.tsx";
import { Hosts } from "./hosts.tsx";
import { Limits } from "./limits.tsx";
import { Models } from "./models.tsx";
import { People } from "./people/people.tsx";
import { ServerState } from "./server-state.tsx";

interface AdminPageProps {
  readonly section: string;
  readonly search: AdminSearch;
}

const views: Readonly<Record<AdminSectionId, ComponentType<{ search: AdminSearch }>>> = {
  people: People,
  agents: AgentTypes,
  hosts: Hosts,
  limits: Limits,
  audit: Audit,
  models: Models,
  server: ServerState,
};

/** Shows a person the parts of the administration that they may use. */
export function AdminPage({ section, search }: AdminPageProps) {
  const { data: whoami } = useSuspenseQuery(queries.whoami);
  const sections = listAdminSections(whoami.permissions);
  const current = sections.find(({ id }) => id === section);
  const organization = visible(whoami.organization.name);
  if (sections.length === 0)
    return (
      <SettingsPage title="Admin">
        <p>{`Only admins of ${organization} see this page, and your role is ${whoami.role}. Ask an admin to change your role.`}</p>
      </SettingsPage>
    );
  const View = current && views[current.id];
  return (
    <SettingsPage title={`Admin of ${organization}`}>
      <nav className={styles.sections} aria-label="Administration">
        {sections.map(({ id, name }) => (
          <Link key={id} to="/admin/$section" params={{ section: id }} activeOptions={{ includeSearch: false }}>
            {name}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<output>Loading…</output>}>
        {View ? <View search={search} /> : <p>You may not see this part, or there is none of this name.</p>}
      </Suspense>
    </SettingsPage>
  );
}
