import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { queries, wharf } from "../api/index.ts";
import { Moment, Row, Rows, Section } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import styles from "./admin.module.css";
import { ServerSettings } from "./server-settings.tsx";

const refreshIntervalMs = 15_000;

const healthQuery = queryOptions({
  queryKey: ["server", "health"],
  queryFn: ({ signal }) => wharf.health.serverHealth({ signal }),
  refetchInterval: refreshIntervalMs,
});

const partNames: Readonly<Record<string, string>> = {
  data_folder: "Data folder",
  database: "Database",
  schema: "Database schema",
  gateway: "Gateway",
  engine: "Engine of the runners",
};

/** The server itself and the health of its parts. */
export function ServerState() {
  const { data: info } = useSuspenseQuery(queries.server);
  const { data: health } = useSuspenseQuery(healthQuery);
  const facts = {
    Version: info.version,
    Started: <Moment timestamp={health.started_at} />,
    Runners: `${info.backend}, ${info.isolation}`,
    Isolation: info.isolation_reason,
    Limits: info.limits,
    "Data folder": info.data_folder,
    Pool: info.pool?.map(({ tier, image, size, ready }) => `${image ?? tier}: ${ready} of ${size} ready`).join(", "),
  };
  return (
    <>
      <Section title="Server">
        <dl className={styles.facts}>
          {Object.entries(facts).map(
            ([name, value]) =>
              value !== undefined && (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{typeof value === "string" ? visible(value) : value}</dd>
                </div>
              ),
          )}
        </dl>
      </Section>
      <Section title="Health">
        <Rows label="Parts of the server" empty="No part was checked yet.">
          {health.parts.map(({ name, status, problem, next, reason, checked_at }) => (
            <Row
              key={name}
              name={partNames[name] ?? name}
              badge={status}
              details={
                <>
                  {visible([problem, next, reason].filter(Boolean).join(" "))}
                  {checked_at !== undefined && (
                    <>
                      {" checked "}
                      <Moment timestamp={checked_at} />
                    </>
                  )}
                </>
              }
            />
          ))}
        </Rows>
      </Section>
      <ServerSettings />
    </>
  );
}
