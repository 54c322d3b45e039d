import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { access, chmod, chown, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { type Account, chooseAccount } from "../src/store/embedded/account.ts";
import { createCluster, database, environment, role } from "../src/store/embedded/cluster.ts";
import { findPrograms } from "../src/store/embedded/programs.ts";
import { migrateDatabase } from "../src/store/index.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The socket folder of the test run's PostgreSQL. */
    postgresHost: string;
  }
}

/**
 * Starts one PostgreSQL per test run, in memory if possible, with a migrated `template` to clone.
 */
const prefix = "wharf-test-pg-";

/** No data here outlives the test run, so nothing is synced. */
const settings = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
  "wal_level=minimal",
  "max_wal_senders=0",
  "max_connections=200",
  "shared_buffers=32MB",
  "autovacuum=off",
  "dynamic_shared_memory_type=mmap",
  "listen_addresses=",
];

/**
 * PostgreSQL's guard: when the standard input closes, because the test run ended or died for any
 * reason, the guard stops the server and removes the folder. The guard leads a separate session, so
 * that an interrupt at the terminal does not end it.
 */
const guard = `
  folder=$1; shift
  "$@" </dev/null >"$folder/log" 2>&1 &
  read -r _
  kill -INT $! && wait $!
  rm -rf "$folder"
`;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const base = await access("/dev/shm").then(
    () => "/dev/shm",
    () => tmpdir(),
  );
  removeLeftovers(base);
  const folder = await mkdtemp(join(base, `${prefix}${process.pid}-`));
  const data = join(folder, "data");
  const account = await chooseAccount(data);
  const programs = await findPrograms({ folder, account });
  await chmod(folder, 0o711);
  await createCluster(data, { programs, account, durable: false });
  if (account) await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o700);

  const flags = [...settings, `unix_socket_directories=${folder}`].flatMap((setting) => ["-c", setting]);
  const close = startGuarded(folder, [programs.postgres, "-D", data, ...flags], account);
  try {
    await untilReady(data);
    await makeTemplate(folder);
  } catch (error) {
    await close();
    throw error;
  }
  project.provide("postgresHost", folder);
  return close;
}

function startGuarded(folder: string, command: readonly string[], account: Account | undefined): () => Promise<void> {
  const child = spawn("/bin/sh", ["-c", guard, "sh", folder, ...command], {
    ...account,
    cwd: "/",
    env: environment,
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const closed = once(child, "exit");
  return async () => {
    child.stdin.end();
    await closed;
  };
}

async function untilReady(data: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(5)) {
    const lines = (await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
    if (lines[7]?.trim() === "ready") return;
  }
  throw new Error(`PostgreSQL did not start: ${await readFile(join(data, "../log"), "utf8").catch(() => "no log")}`);
}

async function makeTemplate(host: string): Promise<void> {
  const admin = new pg.Client({ host, user: role, database });
  await admin.connect();
  await admin.query("create database template");
  await admin.end();
  const pool = new pg.Pool({ host, user: role, database: "template", max: 1 });
  try {
    await migrateDatabase(pool);
  } finally {
    await pool.end();
  }
}

/** Removes folders of test runs that died together with their guard, as after a power cut. */
function removeLeftovers(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(join(base, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
