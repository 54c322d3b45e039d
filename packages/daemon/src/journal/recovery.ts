import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { replaceFile, syncFolder } from "../file-system/files.ts";
import { ensureStateFolder, readStateFile, setAside } from "../file-system/state-file.ts";
import { parseSegment, getSegmentName, parseSequence, type JournalSegment } from "./segment.ts";

/**
 * Recovery makes a journal's folder writable again after any kind of crash. An unfinished write at
 * the end of the last segment is cut off: it was never readable. Any other loss of records ends the
 * epoch: the files are set aside and a new epoch begins, so that new records never look old. An
 * epoch file without a valid epoch ends the epoch too: without it, the journal of the records is
 * unknown.
 */

const maxSmallFileBytes = 1024;
/**
 * A segment exceeds its limit by at most one group, and a group may be one record of 8 million
 * characters.
 */
const maxSegmentBytes = 128 * 1024 * 1024;

const Epoch = z.uuid();
const Acknowledged = z.object({ epoch: z.string(), seq: z.number().int().min(0) });
const getAcknowledgedPath = (folder: string): string => join(folder, "acked");
const getEpochPath = (folder: string): string => join(folder, "epoch");

export interface RecoveredJournal {
  readonly epoch: string;
  readonly segments: JournalSegment[];
  readonly last: number;
  readonly acked: number;
}

export async function recoverJournal(folder: string): Promise<RecoveredJournal> {
  await ensureStateFolder(folder);
  const epoch = Epoch.safeParse(await getText(getEpochPath(folder))).data;
  const firsts = (await readdir(folder))
    .map(parseSequence)
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b);
  const recovered = epoch && firsts.length > 0 ? await readSegments(folder, firsts) : undefined;
  if (!epoch || !recovered) return startEpoch(folder, firsts);

  const acknowledged = await getAcknowledged(folder);
  const acked = Math.max((firsts[0] ?? 1) - 1, acknowledged?.epoch === epoch ? acknowledged.seq : 0);
  if (acked > recovered.last) return startEpoch(folder, firsts);
  return { epoch, ...recovered, acked };
}

/**
 * Writes the acknowledged position. A failure is harmless: after a restart the reader acknowledges
 * again.
 */
export function writeAcknowledged(folder: string, acknowledged: z.infer<typeof Acknowledged>): Promise<void> {
  return replaceFile(getAcknowledgedPath(folder), JSON.stringify(acknowledged));
}

export async function createSegment(folder: string, first: number, base: number): Promise<JournalSegment> {
  const path = join(folder, getSegmentName(first));
  const handle = await open(path, "a", 0o600);
  await handle.close();
  await syncFolder(folder);
  return { path, first, base, bytes: 0, marks: [] };
}

/** Returns the segments with their intact records; undefined if readable records are missing. */
async function readSegments(
  folder: string,
  firsts: readonly number[],
): Promise<{ segments: JournalSegment[]; last: number } | undefined> {
  const segments: JournalSegment[] = [];
  let base = 0;
  let next = firsts[0] ?? 1;
  for (const [position, first] of firsts.entries()) {
    const path = join(folder, getSegmentName(first));
    const file = await readStateFile(path, maxSegmentBytes);
    if (file.kind !== "read") return undefined;
    const scan = parseSegment(file.content, first);
    const isLast = position === firsts.length - 1;
    if (first !== next || scan.end === "damaged" || (scan.end === "torn" && !isLast)) return undefined;
    if (scan.end === "torn") await truncateFile(path, scan.length);
    segments.push({ path, first, base, bytes: scan.length, marks: scan.marks });
    base += scan.length;
    next = first + scan.count;
  }
  return { segments, last: next - 1 };
}

async function truncateFile(path: string, length: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.truncate(length);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Sets the segments aside before naming the new epoch: after a crash in between, recovery finds no
 * segment and names another epoch.
 */
async function startEpoch(folder: string, damaged: readonly number[]): Promise<RecoveredJournal> {
  const epoch = randomUUID();
  if (damaged.length > 0) {
    const aside = join(folder, `damaged-before-${epoch}`);
    await mkdir(aside, { mode: 0o700 });
    for (const first of damaged) await rename(join(folder, getSegmentName(first)), join(aside, getSegmentName(first)));
    await syncFolder(folder);
  }
  await replaceFile(getEpochPath(folder), epoch);
  return { epoch, segments: [await createSegment(folder, 1, 0)], last: 0, acked: 0 };
}

/**
 * Reads the text of a small file. Anything else in its place is set aside, so that the next write
 * does not fail.
 */
async function getText(path: string): Promise<string | undefined> {
  const file = await readStateFile(path, maxSmallFileBytes);
  if (file.kind === "unusable") await setAside(path);
  return file.kind === "read" ? file.content.toString("utf8").trim() : undefined;
}

async function getAcknowledged(folder: string): Promise<z.infer<typeof Acknowledged> | undefined> {
  const text = await getText(getAcknowledgedPath(folder));
  try {
    return Acknowledged.parse(JSON.parse(text ?? ""));
  } catch {
    // A missing or partial file counts as empty; the segments' names imply the least that was
    // acknowledged.
    return undefined;
  }
}
