import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { z } from "zod";

/** A server that only supervises a database, in a separate process that a test can kill. */
const source = JSON.stringify(join(import.meta.dirname, "../src/store/embedded/index.ts"));
const script = (folder: string) => `
  const { startEmbeddedPostgres } = await import(${source});
  const say = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
  process.stdin.resume().once("close", () => process.exit());
  process.on("SIGTERM", () => void database?.stop().then(() => process.exit(0)));
  const database = await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} }).catch((error) => {
    say({ error: { code: error.code, message: error.message } });
    process.exit(1);
  });
  say({ ready: { pid: database.pid, connection: database.connection } });
  setInterval(() => {}, 1000);
`;

const Connection = z.object({
  host: z.string(),
  port: z.number(),
  user: z.string(),
  database: z.string(),
  ssl: z.literal(false),
});
const Line = z.object({
  ready: z.object({ pid: z.number(), connection: Connection }).optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

export interface PostgresProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** The first line of output: whether the process is ready, or why not. */
  readonly said: Promise<z.infer<typeof Line>>;
  /** Sends SIGKILL, which leaves its PostgreSQL running. */
  kill(): Promise<void>;
}

interface ProcessOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: NodeJS.ProcessEnv;
}

export function supervisorProcess(folder: string, options: ProcessOptions = {}): PostgresProcess {
  const args = ["--input-type=module", "--eval", script(folder)];
  const child = spawn(process.execPath, args, { ...options, cwd: "/", stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const said = lines.next().then(({ value }) => Line.parse(JSON.parse(String(value ?? "{}"))));
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { child, said, kill, [Symbol.asyncDispose]: kill };
}

/**
 * Cleans up for a test that could not: when the standard input closes, because the test's process
 * died or is done, the guard ends the folder's PostgreSQL (not with SIGKILL, after which its shared
 * memory would remain) and removes the folder.
 */
const guard = `
  read -r _
  for try in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "$2/data/postmaster.pid" ] || break
    kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")" 2>/dev/null || break
    sleep 0.2
  done
  rm -rf "$1"
`;

/**
 * Creates a temporary folder that is removed after the test, together with any PostgreSQL that
 * still runs in it.
 */
export async function databaseFolder(...path: string[]): Promise<{ readonly folder: string } & AsyncDisposable> {
  const top = await mkdtemp(join(tmpdir(), "wharf-db-"));
  await chmod(top, 0o1777);
  const folder = join(top, ...path, "postgres");
  const cleaner = spawn("/bin/sh", ["-c", guard, "sh", top, folder], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  return {
    folder,
    async [Symbol.asyncDispose]() {
      cleaner.stdin.end();
      await once(cleaner, "exit");
    },
  };
}

export async function query(connection: pg.ClientConfig, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

export async function waitUntil(condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await condition()); await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
