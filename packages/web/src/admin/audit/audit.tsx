import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { AuditEntry } from "@wharf/client";
import { Problem } from "../../actions/index.ts";
import { Field } from "../../new-task/index.ts";
import { Section } from "../../settings/index.ts";
import { visible } from "../../text/index.ts";
import { AdminSearch } from "../admin-search.ts";
import styles from "../admin.module.css";
import { auditQuery, getExportPath } from "./audit-query.ts";
import { AuditVerification } from "./audit-verification.tsx";

const time = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const results = ["begun", "ok", "denied", "failed"] as const;

/** What people and programs did. The address has the filters. */
export function Audit({ search }: { search: AdminSearch }) {
  const { data, error, hasNextPage, isFetching, fetchNextPage } = useInfiniteQuery(auditQuery(search));
  const entries = data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <Section title="Audit log" hint="What people, programs and agents did and were refused, the newest first.">
      <AuditFilters search={search} />
      <div className={styles.links}>
        <a href={getExportPath("csv", search)} download>
          Export as CSV
        </a>
        <a href={getExportPath("ndjson", search)} download>
          Export as NDJSON
        </a>
        <AuditVerification />
      </div>
      <Problem error={error} />
      {entries.length > 0 && <AuditTable entries={entries} />}
      {data && entries.length === 0 && <p>No entry matches.</p>}
      {hasNextPage && (
        <div>
          <button aria-disabled={isFetching} onClick={() => void fetchNextPage()}>
            Show older entries
          </button>
        </div>
      )}
    </Section>
  );
}

function AuditFilters({ search }: { search: AdminSearch }) {
  const navigate = useNavigate({ from: "/admin/$section" });
  const update = (name: keyof AdminSearch, value: string) => {
    const change = AdminSearch.parse({ [name]: value === "" ? undefined : value });
    void navigate({ search: (previous) => ({ ...previous, [name]: change[name] }), replace: true });
  };
  return (
    <div className={styles.filters} role="search">
      {(["actor", "action", "target"] as const).map((name) => (
        <Field key={name} label={{ actor: "Who", action: "What", target: "On what" }[name]}>
          {(input) => (
            <input
              {...input}
              type="search"
              placeholder={{ actor: "a user name or an id", action: "such as createTask", target: "an id" }[name]}
              value={search[name] ?? ""}
              onChange={({ target }) => update(name, target.value)}
            />
          )}
        </Field>
      ))}
      <Field label="Result">
        {(input) => (
          <select {...input} value={search.result ?? ""} onChange={({ target }) => update("result", target.value)}>
            <option value="">any</option>
            {results.map((result) => (
              <option key={result}>{result}</option>
            ))}
          </select>
        )}
      </Field>
      {(["from", "to"] as const).map((name) => (
        <Field key={name} label={{ from: "From", to: "To" }[name]}>
          {(input) => (
            <input
              {...input}
              type="date"
              value={search[name] ?? ""}
              onChange={({ target }) => update(name, target.value)}
            />
          )}
        </Field>
      ))}
    </div>
  );
}

function AuditTable({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    <div className={styles.scroller} tabIndex={0} role="group" aria-label="Entries of the audit log">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What</th>
            <th scope="col">On what</th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <AuditRow key={entry.sequence} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AuditRow({ entry: { at, actor, address, action, target, result, error, details } }: { entry: AuditEntry }) {
  const facts = Object.entries(details ?? {}).map(([name, value]) => `${name}: ${String(value)}`);
  return (
    <tr>
      <td>
        <time dateTime={at}>{time.format(new Date(at))}</time>
      </td>
      <td>
        {visible(actor.name ?? actor.id ?? actor.kind)}
        <small>{visible([actor.kind, address].filter(Boolean).join(" at "))}</small>
      </td>
      <td>
        {visible(action)}
        {facts.length > 0 && <small>{visible(facts.join(", "))}</small>}
      </td>
      <td>
        {visible(target?.name ?? target?.id ?? "")}
        {target && <small>{visible(target.kind)}</small>}
      </td>
      <td className={result === "denied" || result === "failed" ? styles.bad : undefined}>
        {result}
        {error !== undefined && <small>{visible(error)}</small>}
      </td>
    </tr>
  );
}
