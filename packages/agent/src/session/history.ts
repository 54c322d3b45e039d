import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SessionUpdate } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import type { ModelMessage } from "ai";
import { z } from "zod";

const Role = z.looseObject({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
});
const Update = z.looseObject({ sessionUpdate: z.string() });

/** Each record is one line of a session's file. */
export const HistoryRecord = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("session"),
    version: z.literal(1),
    agent: z.string(),
    cwd: z.string(),
    created_at: z.string(),
  }),
  /** The client saw this update, and sees it again when the session is loaded. */
  z.object({ kind: z.literal("update"), update: z.custom<SessionUpdate>((value) => Update.safeParse(value).success) }),
  /** The model received or sent this message. */
  z.object({ kind: z.literal("message"), message: z.custom<ModelMessage>((value) => Role.safeParse(value).success) }),
  /** The user allowed this for the rest of the session. */
  z.object({ kind: z.literal("allowed"), what: z.enum(["edit", "command"]) }),
  /** A scripted agent keeps this note of a turn. */
  z.object({ kind: z.literal("note"), note: z.record(z.string(), z.string()) }),
]);
export type HistoryRecord = z.infer<typeof HistoryRecord>;

const SessionId = z.uuid();

/**
 * Stores a session's file: one JSON record on each line, appended immediately, so that a killed
 * agent loses nothing it has shown.
 */
export class History {
  readonly records: readonly HistoryRecord[];
  readonly #file: string;

  private constructor(file: string, records: readonly HistoryRecord[]) {
    this.#file = file;
    this.records = records;
  }

  static create(folder: string, id: string, first: { agent: string; cwd: string }): History {
    const history = new History(join(folder, `${SessionId.parse(id)}.jsonl`), []);
    mkdirSync(dirname(history.#file), { recursive: true, mode: 0o700 });
    history.append({ kind: "session", version: 1, ...first, created_at: new Date().toISOString() });
    return history;
  }

  static load(folder: string, id: string): History {
    const file = join(folder, `${id}.jsonl`);
    if (!SessionId.safeParse(id).success || !existsSync(file)) throw new WharfError("session_not_found", { id });
    const text = readFileSync(file, "utf8");
    // A process that was killed during a write leaves half a line, which must not swallow the next
    // one.
    if (!text.endsWith("\n")) appendFileSync(file, "\n");
    return new History(file, text.split("\n").flatMap(parseLine));
  }

  append(record: HistoryRecord): void {
    appendFileSync(this.#file, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  }
}

function parseLine(line: string): HistoryRecord[] {
  if (!line) return [];
  try {
    const record = HistoryRecord.safeParse(JSON.parse(line));
    return record.success ? [record.data] : [];
  } catch {
    // A killed process leaves a torn line.
    return [];
  }
}
