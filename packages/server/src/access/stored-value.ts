import { randomBytes, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, link, open, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { getErrorCode } from "../std/errors.ts";

/**
 * Values that a data folder's server creates once and reads at every start: the owner's token, the
 * secret from which all keys are derived, the server's name. Each value has a file that only its
 * owner can read. A file that is empty, too short or not text counts as damaged, and its content is
 * never used: with an empty secret anybody could compute every key.
 */
export interface StoredValue {
  readonly value: string;
  /** The repair of a damaged file, for the server's log. */
  readonly repair?: string;
}

/**
 * Ensures a token or a name. Nothing depends on the old value, so a damaged file is replaced and
 * kept next to the new one.
 */
export async function ensureStoredValue(folder: string, name: string): Promise<StoredValue> {
  const path = join(folder, name);
  const storedFile = await readStoredFile(path, minValueLength);
  if (storedFile.kind === "intact") return { value: storedFile.value };
  if (storedFile.kind === "missing") return { value: await createFile(path, createRandomValue()) };
  await setAside(path);
  const repair = `${path} was damaged (${storedFile.reason}); Wharf created a new value and kept the old file as ${path}.damaged`;
  return { value: await createFile(path, createRandomValue()), repair };
}

/**
 * Ensures the secret, or the name under which the server holds its runners. A new value would
 * disconnect runners, so each file has a copy, from which a damaged file is restored; without an
 * intact one, the server does not start.
 */
export async function ensureStoredSecret(folder: string, name: string): Promise<StoredValue> {
  const path = join(folder, name);
  const copy = `${path}.copy`;
  const [storedFile, spare] = [
    await readStoredFile(path, minSecretLength),
    await readStoredFile(copy, minSecretLength),
  ];
  if (storedFile.kind === "intact") {
    if (spare.kind !== "intact" || spare.value !== storedFile.value) await writeCopy(copy, storedFile.value);
    return { value: storedFile.value };
  }
  if (spare.kind === "intact") {
    if (storedFile.kind === "damaged") await setAside(path);
    const value = await createFile(path, spare.value);
    return { value, repair: `${path} was ${storedFile.kind}; it was restored from ${copy}` };
  }
  if (storedFile.kind === "damaged") throw new WharfError("secret_damaged", { path, reason: storedFile.reason });
  const value = await createFile(path, createRandomValue());
  await writeCopy(copy, value);
  return { value };
}

const minValueLength = 16;
const minSecretLength = 32;
const maxFileBytes = 4096;

const createRandomValue = () => randomBytes(32).toString("base64url");

type StoredFile =
  | { readonly kind: "missing" }
  | { readonly kind: "intact"; readonly value: string }
  | { readonly kind: "damaged"; readonly reason: string };

async function readStoredFile(path: string, minLength: number): Promise<StoredFile> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) return { kind: "damaged", reason: "it is not a file" };
    if (stats.size > maxFileBytes) return { kind: "damaged", reason: "it is too large" };
    const value = (await file.readFile("utf8")).trim();
    if (value === "") return { kind: "damaged", reason: "it is empty" };
    if (!/^[\x21-\x7e]+$/.test(value)) return { kind: "damaged", reason: "it is not one word of text" };
    if (value.length < minLength) return { kind: "damaged", reason: `it is shorter than ${minLength} characters` };
    await file.chmod(0o600).catch(() => undefined);
    return { kind: "intact", value };
  } catch (error) {
    const code = getErrorCode(error);
    if (code === "ENOENT") return { kind: "missing" };
    if (code === "EACCES" || code === "EPERM" || code === "ELOOP" || code === "ENXIO" || code === "EIO")
      return { kind: "damaged", reason: `it cannot be read: ${code}` };
    throw error;
  }
}

/**
 * Creates a file that appears whole under its name or not at all: if two servers start at once, one
 * creates the file and the other reads it.
 */
async function createFile(path: string, value: string): Promise<string> {
  const fresh = `${path}.${randomUUID()}`;
  await writeFile(fresh, `${value}\n`, { mode: 0o600, flag: "wx", flush: true });
  try {
    await link(fresh, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await unlink(fresh);
  }
  await chmod(path, 0o600);
  const storedFile = await readStoredFile(path, 1);
  if (storedFile.kind !== "intact") throw new Error(`${path} could not be written`);
  return storedFile.value;
}

/** A folder that accepts no copy must not prevent a start. */
async function writeCopy(path: string, value: string): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  await rm(path, { recursive: true, force: true })
    .then(() => writeFile(fresh, `${value}\n`, { mode: 0o600, flag: "wx", flush: true }))
    .then(() => rename(fresh, path))
    .catch(() => rm(fresh, { force: true }));
}

async function setAside(path: string): Promise<void> {
  await rm(`${path}.damaged`, { recursive: true, force: true });
  await rename(path, `${path}.damaged`);
}
