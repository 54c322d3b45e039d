import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chooseAccount } from "../packages/server/src/store/embedded/account.ts";
import { createCluster, environment, role } from "../packages/server/src/store/embedded/cluster.ts";
import { findPrograms } from "../packages/server/src/store/embedded/programs.ts";
import { createCertificates } from "./support/certificates.ts";
import { eventually } from "./support/eventually.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** A PostgreSQL that accepts nothing but TLS over the network. */
let folder: string;
let postgres: ChildProcess;
let port: number;

beforeAll(async () => {
  folder = createScratchFolder();
  const data = join(folder, "cluster");
  const account = await chooseAccount(data);
  const programs = await findPrograms({ folder, account });
  await createCluster(data, { programs, account, durable: false });
  const { key, cert } = createCertificates("IP:127.0.0.1", join(folder, "authority"));
  createCertificates("IP:127.0.0.1", join(folder, "stranger"));
  writeFileSync(join(data, "server.key"), key);
  writeFileSync(join(data, "server.crt"), cert);
  writeFileSync(join(data, "pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n");
  chmodSync(join(data, "server.key"), 0o600);
  if (account) chownSync(join(data, "server.key"), account.uid, account.gid);
  port = await findFreePort();
  const settings = [
    "ssl=on",
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "unix_socket_directories=",
    "dynamic_shared_memory_type=mmap",
  ];
  // The shell ends PostgreSQL when the test ends, for any reason.
  const guard = '"$@" </dev/null & read -r _; kill -INT $! && wait $!';
  const command = [programs.postgres, "-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  postgres = spawn("/bin/sh", ["-c", guard, "sh", ...command], {
    ...account,
    cwd: "/",
    env: environment,
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const isReady = () =>
    query("select 1").then(
      () => true,
      () => false,
    );
  await eventually(isReady, true);
});

afterAll(async () => {
  const closed = once(postgres, "exit");
  postgres.stdin?.end();
  await closed;
  rmSync(folder, { recursive: true, force: true });
});

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

const getUrl = (options: string) => `postgresql://${role}@127.0.0.1:${port}/postgres?${options}`;
const verified = (authority: string) => `sslmode=verify-full&sslrootcert=${join(folder, authority, "ca.pem")}`;

async function query(text: string): Promise<pg.QueryResult<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: getUrl(verified("authority")) });
  await client.connect();
  return client.query(text).finally(() => client.end());
}

// K-093
test("a server uses a database over TLS, and checks its certificate", async () => {
  await using wharf = new ServerHarness(join(folder, "server"), { DATABASE_URL: getUrl(verified("authority")) });
  await wharf.start();
  const { rows } = await query(
    "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where backend_type = 'client backend'",
  );
  expect(rows).toEqual([{ ssl: true }]);
});

test.each([
  ["whose certificate another authority signed", "stranger", /certificate/],
  ["without TLS", undefined, /no encryption|no pg_hba.conf entry/],
])("a server does not start on a connection %s, and says why", async (_, authority, reason) => {
  const options = authority === undefined ? "sslmode=disable" : verified(authority);
  const wharf = new ServerHarness(join(folder, "refused"), { DATABASE_URL: getUrl(options) });
  const { code, stderr } = await wharf.cli("up");
  expect(code).toBe(2);
  expect(stderr).toMatch(reason);
  expect(stderr).toContain("DATABASE_URL");
});
