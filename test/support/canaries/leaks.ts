import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import pg from "pg";
import { expect } from "vitest";
import { patterns } from "./canary.ts";

const searchTimeoutMs = 120_000;

/** Searches for canaries. Each function returns the places that have one. */

const hasCanary = (text: string | Buffer) => patterns.some((pattern) => text.includes(pattern));

export const findInTexts = (texts: Readonly<Record<string, string>>): string[] =>
  Object.entries(texts).flatMap(([name, text]) => (hasCanary(text) ? [`text ${name}`] : []));

/** Lists the files below a folder that contain a canary, links and special files excepted. */
export function findInFiles(folder: string): string[] {
  const options = ["--recursive", "--files-with-matches", "--binary-files=text", "--no-messages", "--fixed-strings"];
  const expressions = patterns.map((pattern) => `--regexp=${pattern}`);
  const { stdout, error } = spawnSync("grep", [...options, "--devices=skip", ...expressions, folder], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
    timeout: searchTimeoutMs,
  });
  if (error) throw error;
  // Files that vanish meanwhile make grep fail, but hide nothing that it found.
  return stdout.split("\n").flatMap((path) => (path === "" ? [] : [`file ${path}`]));
}

/** Searches all objects of the git repositories below a folder, which git stores compressed. */
export function findInGit(folder: string): string[] {
  const repositories = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name === "objects" && existsSync(join(entry.parentPath, "HEAD")))
    .map(({ parentPath }) => parentPath);
  return repositories.flatMap((repository) => {
    const command = ["-c", "safe.directory=*", "--git-dir", repository, "cat-file", "--batch-all-objects", "--batch"];
    const content = execFileSync("git", command, { maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "pipe"] });
    const name = basename(repository) === ".git" ? basename(dirname(repository)) : basename(repository);
    return hasCanary(content) ? [`git ${name}`] : [];
  });
}

/** Opens the server's own database. */
export async function openDatabase(data: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ host: join(data, "postgres", "socket"), user: "wharf", database: "postgres" });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** Searches all rows of the server's database; in its files, long values are compressed. */
export async function findInDatabase(data: string): Promise<string[]> {
  await using client = await openDatabase(data);
  const { rows: tables } = await client.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  );
  expect(tables.length).toBeGreaterThan(0);
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
    if (rows.some(({ row }) => hasCanary(row))) found.push(`table ${name}`);
  }
  return found;
}

/** Searches the environment and the command line of processes. */
export const findInProcesses = (pids: readonly string[]): string[] =>
  pids.flatMap((pid) =>
    ["environ", "cmdline"].flatMap((file) => (hasCanary(readProcess(pid, file)) ? [`process ${file}`] : [])),
  );

/**
 * Searches a container from outside, through its processes: what they were started with, every file
 * that they can see, and the repository in the workspace.
 */
export function findInContainer(pids: readonly string[]): string[] {
  const [first] = pids;
  expect(first).toBeDefined();
  const root = `/proc/${first}/root`;
  const folders = readdirSync(root).filter(
    (name) => !["proc", "sys", "dev"].includes(name) && lstatSync(join(root, name)).isDirectory(),
  );
  expect(folders).toContain("usr");
  const files = [...folders, "dev/shm"].flatMap((name) => findInFiles(join(root, name)));
  return [...findInProcesses(pids), ...files, ...findInGit(join(root, "workspace"))];
}

/** Returns nothing for a process that has ended. */
function readProcess(pid: string, file: string): Buffer {
  try {
    return readFileSync(`/proc/${pid}/${file}`);
  } catch {
    return Buffer.alloc(0);
  }
}
