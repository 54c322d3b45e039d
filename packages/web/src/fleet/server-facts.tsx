import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "../actions/index.ts";
import { visible } from "../text/index.ts";
import { fleetQueries } from "./fleet-queries.ts";
import styles from "./fleet.module.css";

const isolationMeanings: Readonly<Record<string, string>> = {
  sandbox: "sandbox: its own processes, files and network",
  container: "container: its own processes, files and network, with the kernel of its host",
  vm: "virtual machine with its own kernel",
  unsafe: "none: runners have the access of the server's user",
  unenforced: "container, whose network lets through what it should block",
};

/** Where runners run, how they are separated from it, the warm pool, and what does not work. */
export function ServerFacts({ isOperator }: { isOperator: boolean }) {
  const { data: server, error } = useQuery(fleetQueries.server);
  const { data: health, error: healthError } = useQuery(fleetQueries.health(isOperator));
  return (
    <section className={styles.section} aria-labelledby="fleet-server">
      <header>
        <h2 id="fleet-server">Engine</h2>
        {health && (
          <span className={styles.health} data-status={health.status}>
            {health.status === "ok" ? "works" : "has problems"}
          </span>
        )}
      </header>
      <Problem error={error ?? healthError} />
      {server && (
        <dl className={styles.facts}>
          <Fact name="Backend">{server.backend}</Fact>
          <Fact name="Isolation">
            {isolationMeanings[server.isolation] ?? server.isolation}
            {server.isolation_reason !== undefined && `. ${visible(server.isolation_reason)}`}
          </Fact>
          {server.limits !== undefined && <Fact name="Limits">{visible(server.limits)}</Fact>}
          <Fact name="Warm pool">
            {server.pool
              ? server.pool.map(({ tier, image, size, ready }) => (
                  <span key={`${tier} ${image}`} className={styles.level}>
                    {tier}
                    {image !== undefined && ` ${visible(image)}`}: {ready} of {size} ready
                  </span>
                ))
              : "none: runners are created when they are needed"}
          </Fact>
          <Fact name="Version">{server.version}</Fact>
        </dl>
      )}
      {health?.problems?.map((problem) => (
        <p key={problem} className={styles.error}>
          {visible(problem)}
        </p>
      ))}
      {health && health.parts.length > 0 && (
        <ul className={styles.parts}>
          {health.parts.map(({ name, status, problem, next, reason }) => (
            <li key={name} className={styles.health} data-status={status}>
              {name.replace("_", " ")}: {status}
              {problem !== undefined && (
                <span className={styles.error}>
                  {[problem, next, reason].flatMap((text) => (text === undefined ? [] : visible(text))).join(" ")}
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);
