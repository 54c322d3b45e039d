import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { chooseOrganization, followOrganization, queries } from "../api/index.ts";
import { visible } from "../text/index.ts";
import styles from "./shell.module.css";

/** The organization whose boards, tasks and people the pages show, for a person who has several. */
export function OrganizationSelect() {
  const { data: whoami } = useQuery(queries.whoami);
  useEffect(followOrganization, []);
  if (!whoami || whoami.organizations.length < 2) return null;
  return (
    <select
      className={styles.organization}
      aria-label="Organization"
      value={whoami.organization.id}
      onChange={({ target }) => chooseOrganization(target.value)}
    >
      {whoami.organizations.map(({ id, name }) => (
        <option key={id} value={id}>
          {visible(name)}
        </option>
      ))}
    </select>
  );
}
