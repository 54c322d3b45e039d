import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isSystemError, replaceFile, syncFolder } from "../support/files.ts";
import { scanSegment, segmentName, sequenceOfName, type Segment } from "./segment.ts";

/**
 * Brings a journal's folder into a state that can be written on, whatever stopped the process before.
 * What was being written at the end of the last segment is cut off: it was never readable. Records that were lost in
 * any other way end the epoch: the files are put aside and a new epoch begins, so that new records never look old.
 */

const Acknowledged = z.object({ epoch: z.string(), seq: z.number().int().min(0) });
const acknowledgedFile = (folder: string): string => join(folder, "acked");
const epochFile = (folder: string): string => join(folder, "epoch");

export interface Recovered {
  readonly epoch: string;
  readonly segments: Segment[];
  readonly last: number;
  readonly acked: number;
}

export async function recoverJournal(folder: string): Promise<Recovered> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const epoch = await readText(epochFile(folder));
  const firsts = (await readdir(folder))
    .map(sequenceOfName)
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b);
  const found = epoch && firsts.length > 0 ? await readSegments(folder, firsts) : undefined;
  if (!epoch || !found) return beginEpoch(folder, firsts);

  const acknowledged = await readAcknowledged(folder);
  const acked = Math.max((firsts[0] ?? 1) - 1, acknowledged?.epoch === epoch ? acknowledged.seq : 0);
  if (acked > found.last) return beginEpoch(folder, firsts);
  return { epoch, ...found, acked };
}

/** Failing to keep this is harmless: after a restart the reader acknowledges again. */
export function writeAcknowledged(folder: string, acknowledged: z.infer<typeof Acknowledged>): Promise<void> {
  return replaceFile(acknowledgedFile(folder), JSON.stringify(acknowledged));
}

export async function createSegment(folder: string, first: number, base: number): Promise<Segment> {
  const path = join(folder, segmentName(first));
  const handle = await open(path, "a", 0o600);
  await handle.close();
  await syncFolder(folder);
  return { path, first, base, bytes: 0, marks: [] };
}

/** The segments with their intact records; nothing when records are missing that had been readable. */
async function readSegments(
  folder: string,
  firsts: readonly number[],
): Promise<{ segments: Segment[]; last: number } | undefined> {
  const segments: Segment[] = [];
  let base = 0;
  let next = firsts[0] ?? 1;
  for (const [position, first] of firsts.entries()) {
    const path = join(folder, segmentName(first));
    const scan = scanSegment(await readFile(path), first);
    const isLast = position === firsts.length - 1;
    if (first !== next || scan.end === "damaged" || (scan.end === "torn" && !isLast)) return undefined;
    if (scan.end === "torn") await cut(path, scan.length);
    segments.push({ path, first, base, bytes: scan.length, marks: scan.marks });
    base += scan.length;
    next = first + scan.count;
  }
  return { segments, last: next - 1 };
}

async function cut(path: string, length: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.truncate(length);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The segments go aside before the new epoch is named: a process that ends in between finds no segment and names one again. */
async function beginEpoch(folder: string, damaged: readonly number[]): Promise<Recovered> {
  const epoch = randomUUID();
  if (damaged.length > 0) {
    const aside = join(folder, `damaged-before-${epoch}`);
    await mkdir(aside, { mode: 0o700 });
    for (const first of damaged) await rename(join(folder, segmentName(first)), join(aside, segmentName(first)));
    await syncFolder(folder);
  }
  await replaceFile(epochFile(folder), epoch);
  return { epoch, segments: [await createSegment(folder, 1, 0)], last: 0, acked: 0 };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function readAcknowledged(folder: string): Promise<z.infer<typeof Acknowledged> | undefined> {
  try {
    return Acknowledged.parse(JSON.parse((await readText(acknowledgedFile(folder))) ?? ""));
  } catch {
    // A missing or half-written file says nothing; the segments' names say the least that was acknowledged.
    return undefined;
  }
}
