import { openDatabase } from "../canaries/leaks.ts";

/** Tables and views that also change without a request, or with each one. */
const changingTables: ReadonlySet<string> = new Set([
  "agent_logs",
  "audit_chain",
  "audit_entries",
  "denied_hosts",
  "events",
  "host_usage",
  "idempotency_keys",
  "leaderships",
  "login_failures",
  "published_events",
  "runner_counters",
  "runner_disks",
  "runner_hours",
  "search_documents",
  "search_positions",
  "search_queue",
  "servers",
  "task_events",
]);

/** The number of rows of each table that only requests change, and of people who run the server. */
export type StoredRows = ReadonlyMap<string, number>;

/** Counts the rows of the server's database. */
export async function countStoredRows(data: string): Promise<StoredRows> {
  await using client = await openDatabase(data);
  const { rows: tables } = await client.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
  );
  const counts = tables
    .filter(({ name }) => !changingTables.has(name))
    .map(({ name }) => `select '${name}' as name, count(*)::int as count from ${name}`);
  const { rows } = await client.query<{ name: string; count: number }>(
    [...counts, "select 'operators', count(*)::int from users where is_operator"].join(" union all "),
  );
  return new Map(rows.map(({ name, count }) => [name, count]));
}

/** Returns the hashes that prove access tokens, which no answer may contain. */
export async function readTokenHashes(data: string): Promise<string[]> {
  await using client = await openDatabase(data);
  const { rows } = await client.query<{ hash: string }>("select hash from access_tokens");
  return rows.map(({ hash }) => hash);
}
