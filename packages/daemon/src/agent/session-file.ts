import { z } from "zod";
import { replaceFile } from "../file-system/files.ts";
import { readStateFile, setAside } from "../file-system/state-file.ts";
import { isSameProcess, readProcess, sendSignal } from "../std/processes.ts";

const maxBytes = 64 * 1024;

/** A daemon needs this record of the agent that an earlier daemon started. */
const AgentRecord = z.object({
  run_id: z.string(),
  session_id: z.string().optional(),
  /** The leader's start time guards against a reused process group number. */
  process: z.object({ pid: z.number().int().positive(), started: z.string() }).optional(),
  /**
   * The newest turn that the daemon accepted, of any run, is a second witness beside the turn log.
   */
  last_turn: z.object({ turn_id: z.string(), run_id: z.string() }).optional(),
});
type AgentRecord = z.infer<typeof AgentRecord>;

/** The file reports this about turns. A file that exists but is unreadable may have named one. */
export type TurnWitness =
  | "missing"
  | "unreadable"
  | { readonly last_turn?: { turn_id: string; run_id: string } | undefined };

export class SessionFile {
  readonly #path: string;
  #tail: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns the last session of the run's agent. */
  async getSessionId(runId: string): Promise<string | undefined> {
    const remembered = await this.#readRecord();
    return remembered?.run_id === runId ? remembered.session_id : undefined;
  }

  setSession(runId: string, sessionId: string | undefined): Promise<void> {
    return this.#updateRecord(runId, sessionId === undefined ? {} : { session_id: sessionId });
  }

  async setProcess(runId: string, pid: number): Promise<void> {
    const started = (await readProcess(pid))?.started;
    if (started !== undefined) await this.#updateRecord(runId, { process: { pid, started } });
  }

  /**
   * Called before the turn log records the turn: a log without the turn is incomplete, or the
   * daemon died in between.
   */
  setLastTurn(runId: string, turnId: string): Promise<void> {
    return this.#updateRecord(runId, { last_turn: { turn_id: turnId, run_id: runId } });
  }

  /**
   * Reads the file's record of turns, and moves an unreadable file out of the way of the next
   * write.
   */
  async readTurnWitness(): Promise<TurnWitness> {
    const file = await readStateFile(this.#path, maxBytes);
    if (file.kind === "missing") return "missing";
    const remembered = await this.#readRecord();
    if (!remembered) {
      await setAside(this.#path);
      return "unreadable";
    }
    return { last_turn: remembered.last_turn };
  }

  /**
   * Kills the agent of a dead daemon: nothing reads its output, and it would run beside its
   * successor.
   */
  async killOrphan(): Promise<void> {
    const { process: orphan } = (await this.#readRecord()) ?? {};
    if (orphan && (await isSameProcess(orphan.pid, orphan.started))) sendSignal(-orphan.pid, "SIGKILL");
  }

  /** Returns undefined if the record is missing or damaged. */
  async #readRecord(): Promise<AgentRecord | undefined> {
    try {
      const file = await readStateFile(this.#path, maxBytes);
      return file.kind === "read" ? AgentRecord.parse(JSON.parse(file.content.toString("utf8"))) : undefined;
    } catch {
      return undefined;
    }
  }

  #updateRecord(runId: string, change: Partial<AgentRecord>): Promise<void> {
    const update = this.#tail.then(async () => {
      const previous = await this.#readRecord();
      const retained = previous?.run_id === runId ? previous : previous?.last_turn && { last_turn: previous.last_turn };
      const next: AgentRecord = { ...retained, ...change, run_id: runId };
      await replaceFile(this.#path, JSON.stringify(next));
    });
    this.#tail = update.catch(() => undefined);
    return update;
  }
}
