import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandInfo } from "@wharf/contract";
import { parseJson } from "../support/parse-json.ts";
import { readStateFile } from "../support/state-file.ts";

/** What is kept of a command in the background beside its output, so that it is known after the daemon's death. */

const recordFile = "command.json";
const maxRecordBytes = 16 * 1024 * 1024; // of which a long command line is most
const startTimeField = 19; // of /proc/<pid>/stat, counted behind the program's name

export const CommandRecord = CommandInfo.omit({ output: true, background: true });
export type CommandRecord = Omit<CommandInfo, "output" | "background"> & {
  readonly started_ticks?: string | undefined;
};

/** Not fsynced: a command that is lost with the machine's power is lost anyway. */
export async function writeRecord(folder: string, record: CommandRecord): Promise<void> {
  const path = join(folder, recordFile);
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The records beneath a folder. One that cannot be read is left out; what has none, as its daemon died too early, is removed. */
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

/** When a process was started, in the kernel's own ticks: with its id it names that process and no later one. */
export async function getStartTicks(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[startTimeField];
  } catch {
    return undefined;
  }
}
