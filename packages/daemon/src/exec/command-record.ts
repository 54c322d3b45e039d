import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CommandInfo } from "@wharf/contract";
import { readStateFile, writeStateFile } from "../file-system/state-file.ts";
import { parseJson } from "../std/parse-json.ts";

/**
 * The record of a background command is kept beside its output, so that it survives the daemon's
 * death.
 */

const recordFile = "command.json";
// A long command line takes most of a large record.
const maxRecordBytes = 16 * 1024 * 1024;

export const CommandRecord = CommandInfo.omit({ output: true, background: true });
export type CommandRecord = Omit<CommandInfo, "output" | "background"> & {
  readonly started_ticks?: string | undefined;
};

export async function writeRecord(folder: string, record: CommandRecord): Promise<void> {
  await writeStateFile(join(folder, recordFile), record);
}

/**
 * Reads the records in a folder. Unreadable records are left out; folders without a record, left by
 * a daemon that died too early, are removed.
 */
export async function readRecords(folder: string): Promise<CommandRecord[]> {
  const names = await readdir(folder);
  const records: CommandRecord[] = [];
  for (const name of names) {
    const record = await readRecord(join(folder, name, recordFile));
    if (record === "none") await rm(join(folder, name), { recursive: true, force: true });
    else if (record?.command_id === name) records.push(record);
  }
  return records;
}

async function readRecord(path: string): Promise<CommandRecord | "none" | undefined> {
  const file = await readStateFile(path, maxRecordBytes);
  if (file.kind === "missing") return "none";
  const value = file.kind === "read" ? parseJson(file.content.toString("utf8")) : undefined;
  const record = CommandRecord.safeParse(value);
  if (!record.success) return undefined;
  const ticks = typeof value === "object" && value && "started_ticks" in value ? value.started_ticks : undefined;
  return { ...record.data, started_ticks: typeof ticks === "string" ? ticks : undefined };
}
