import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { chooseAccount } from "../../packages/server/src/store/embedded/account.ts";
import { environment } from "../../packages/server/src/store/embedded/cluster.ts";
import { getConnectionOptions } from "../../packages/server/src/store/embedded/postmaster.ts";
import { findPrograms } from "../../packages/server/src/store/embedded/programs.ts";
import { getPostgresArguments } from "../../packages/server/src/store/embedded/settings.ts";

/** PostgreSQL alone on one of Wharf's data folders, with the same settings. */
export interface BarePostgres extends AsyncDisposable {
  readonly pid: number;
  /** Time from the start of the process to the first answer, in ms. */
  readonly startMs: number;
}

export async function startPostgres(data: string, socketFolder: string): Promise<BarePostgres> {
  const folder = join(data, "postgres");
  const cluster = join(folder, "data");
  const account = await chooseAccount(cluster);
  const { postgres } = await findPrograms({ folder, account });
  await mkdir(socketFolder, { recursive: true });
  if (account) await chown(socketFolder, account.uid, account.gid);
  const major = Number(await readFile(join(cluster, "PG_VERSION"), "utf8"));
  const began = performance.now();
  const args = ["-D", cluster, ...getPostgresArguments(major, socketFolder)];
  const child = spawn(postgres, args, { ...account, env: environment, cwd: "/", stdio: "ignore" });
  const gone = once(child, "exit");
  while (!(await answers(socketFolder))) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL exited with ${child.exitCode}`);
    await sleep(2);
  }
  const startMs = performance.now() - began;
  return {
    pid: child.pid ?? 0,
    startMs,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await gone;
    },
  };
}

async function answers(socketFolder: string): Promise<boolean> {
  const client = new pg.Client(getConnectionOptions(socketFolder));
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Measures how long each of `count` single-row commits takes, in ms. */
export async function measureCommits(socketFolder: string, count: number): Promise<number[]> {
  const client = new pg.Client(getConnectionOptions(socketFolder));
  await client.connect();
  try {
    await client.query("create table bench (line text)");
    const times: number[] = [];
    for (let n = 0; n < count; n++) {
      const began = performance.now();
      await client.query("insert into bench values ($1)", ["x".repeat(200)]);
      times.push(performance.now() - began);
    }
    await client.query("drop table bench");
    return times;
  } finally {
    await client.end();
  }
}
