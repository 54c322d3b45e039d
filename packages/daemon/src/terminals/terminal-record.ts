import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { TerminalInfo } from "@wharf/contract";
import { z } from "zod";
import { isSystemError } from "../file-system/files.ts";
import { readStateFile, writeStateFile } from "../file-system/state-file.ts";

/** The record of a terminal is kept beside its history. */
export const TerminalRecord = TerminalInfo.omit({ viewers: true, typist: true, first: true, end: true }).extend({
  terminal_id: z.uuid(),
  max_entries: z.number().int().positive(),
  max_bytes: z.number().int().positive(),
  started_ticks: z.string().optional(),
  /** Holds the history's extent, once it is complete. */
  extent: z.object({ first: z.number(), end: z.number() }).optional(),
});
export type TerminalRecord = z.infer<typeof TerminalRecord>;

const recordFile = "terminal.json";
const maxRecordBytes = 1024 * 1024;

export async function writeRecord(folder: string, record: TerminalRecord): Promise<void> {
  await writeStateFile(join(folder, recordFile), record);
}

/**
 * Reads the records in a folder. An unreadable record is reported and left out; a folder without a
 * record is removed, because its daemon died before the program started.
 */
export async function readRecords(folder: string, onFault: (error: unknown) => void): Promise<TerminalRecord[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  });
  const records: TerminalRecord[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory() || !z.uuid().safeParse(entry.name).success) continue;
    try {
      const file = await readStateFile(join(folder, entry.name, recordFile), maxRecordBytes);
      if (file.kind === "missing") await rm(join(folder, entry.name), { recursive: true, force: true });
      if (file.kind === "unusable") onFault(new Error(`the record of terminal ${entry.name} is ${file.reason}`));
      if (file.kind !== "read") continue;
      const record = TerminalRecord.parse(JSON.parse(file.content.toString("utf8")));
      if (record.terminal_id === entry.name) records.push(record);
    } catch (error) {
      onFault(error);
    }
  }
  return records;
}
