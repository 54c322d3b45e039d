import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PartName, WharfError } from "@wharf/contract";
import type { Backend } from "../backends/index.ts";
import { getErrorCode } from "../std/errors.ts";

/**
 * What is wrong, and what to do. These texts contain no path, no address and no secret, because
 * `/health` and `/ready` need no token.
 */
export interface HealthProblem {
  readonly problem: string;
  readonly next: string;
  /** The error itself, for operators. */
  readonly reason?: string;
}

/** How to find out whether a part of the server works. */
export interface PartCheck {
  readonly name: PartName;
  /** The part without which this one cannot work: its problem is then the only one. */
  readonly needs?: PartName;
  /** Returns what is wrong, if anything is; a failure means `hung`. */
  readonly findProblem: () => Promise<HealthProblem | undefined>;
  /** The problem if the check does not end. */
  readonly hung: HealthProblem;
}

const checkFile = ".health-check";
/** A full disk may still accept an empty file. */
const checkBytes = 4096;

/** The data folder takes files. */
export const createFolderCheck = (folder: string): PartCheck => ({
  name: "data_folder",
  hung: {
    problem: "The data folder's disk does not respond.",
    next: "Check the disk of the data folder, and whether it is mounted.",
  },
  findProblem: () => findFolderProblem(folder),
});

async function findFolderProblem(folder: string): Promise<HealthProblem | undefined> {
  const path = join(folder, checkFile);
  try {
    await writeFile(path, Buffer.alloc(checkBytes), { mode: 0o600 });
    await rm(path, { force: true });
    return undefined;
  } catch (error) {
    const code = getErrorCode(error) ?? "an unknown error";
    return folderProblems[code] ?? createFolderProblem(`does not accept files (${code})`, "Check its disk.");
  }
}

const createFolderProblem = (what: string, next: string): HealthProblem => ({
  problem: `The data folder ${what}.`,
  next,
});

const folderProblems: Readonly<Record<string, HealthProblem>> = {
  EROFS: createFolderProblem("is read-only", "Mount its disk for writing."),
  ENOSPC: {
    problem: "The data folder's disk is full.",
    next: "Free space on the disk, such as by removing runners and tasks that are no longer needed.",
  },
  EDQUOT: { problem: "The data folder's quota is exhausted.", next: "Free space, or raise the quota." },
  EIO: {
    problem: "The data folder's disk reports an I/O error.",
    next: "Check the disk, and restore the data folder from a backup if it is damaged.",
  },
  ENOENT: createFolderProblem("does not exist", "Restore the folder, or mount its disk, and restart the server."),
};

/** The database answers requests. */
export const createDatabaseCheck = (ping: () => Promise<unknown>): PartCheck => ({
  name: "database",
  hung: {
    problem: "The database does not respond.",
    next: "Wharf restarts its own database. Check one that DATABASE_URL names, and the server's log.",
  },
  findProblem: async () => void (await ping()),
});

/** The database has all migrations of this server, which a restored backup may lack. */
export const createSchemaCheck = (countMissing: () => Promise<number>): PartCheck => ({
  name: "schema",
  needs: "database",
  hung: {
    problem: "The version of the database's schema is not known.",
    next: "Check the database, and the server's log.",
  },
  findProblem: async () =>
    (await countMissing()) === 0
      ? undefined
      : {
          problem: "The database has an older schema than this server.",
          next: "Restart the server, which updates the schema.",
        },
});

/** The gateway can record requests of agents, without which it sends none. */
export const createGatewayCheck = (pingLedger: () => Promise<unknown>): PartCheck => ({
  name: "gateway",
  needs: "database",
  hung: {
    problem: "The gateway cannot record what agents use, so that their requests wait.",
    next: "Check the database and its number of connections, and the server's log.",
  },
  findProblem: async () => void (await pingLedger()),
});

/** The engine or cluster with the runners answers. */
export const createEngineCheck = (backend: Pick<Backend, "name" | "ping">): PartCheck => {
  const hung = {
    problem: `The engine of the backend '${backend.name}' does not respond.`,
    next: "Check the engine: `wharf doctor` on the server's machine says what is wrong.",
  };
  return {
    name: "engine",
    hung,
    findProblem: async () => {
      try {
        await backend.ping?.();
        return undefined;
      } catch (error) {
        if (!(error instanceof WharfError)) throw error;
        return { ...hung, next: error.next, reason: error.message };
      }
    },
  };
};
