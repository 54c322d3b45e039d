import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { getHash } from "../std/hash.ts";
import { type Database, schema } from "../store/index.ts";

const { installation } = schema;

export const installationFile = "installation";

export interface JoinOptions {
  readonly secret: string;
  readonly dataFolder: string;
}

/**
 * Ensures that database, secret and data folder belong together, and returns the installation's id.
 * Runners are known by keys that are derived from the secret, and by rows of this database: a
 * server with another secret would stop runners that it cannot reach, and a server with another
 * database would regard all of them as unknown.
 */
export async function joinInstallation(db: Database, { secret, dataFolder }: JoinOptions): Promise<string> {
  const file = join(dataFolder, installationFile);
  const knownId = await readFile(file, "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
  const existingRow = (await db.select().from(installation))[0];
  if (knownId && !existingRow)
    throw createMismatchError(file, "the database is empty, but the data folder belongs to another one");
  const row = existingRow ?? (await createInstallation(db, secret));
  if (knownId && knownId !== row.id) throw createMismatchError(file, "the data folder belongs to another database");
  if (row.secret_fingerprint !== getSecretFingerprint(secret))
    throw createMismatchError(file, "this server's secret differs from that of the database's other servers");
  if (!knownId) await writeFile(file, `${row.id}\n`, { mode: 0o600, flush: true });
  return row.id;
}

/** Two servers that start at once write one row, and both read it. */
async function createInstallation(db: Database, secret: string): Promise<typeof installation.$inferSelect> {
  await db
    .insert(installation)
    .values({ id: randomUUID(), secret_fingerprint: getSecretFingerprint(secret) })
    .onConflictDoNothing();
  const [row] = await db.select().from(installation);
  return row!;
}

const getSecretFingerprint = (secret: string): string => getHash(`wharf installation ${secret}`).slice(0, 32);

const createMismatchError = (file: string, reason: string) => new WharfError("installation_mismatch", { reason, file });
