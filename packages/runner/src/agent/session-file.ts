import { readFile } from "node:fs/promises";
import { z } from "zod";
import { replaceFile } from "../support/files.ts";
import { readStateFile, setAside } from "../support/state-file.ts";

const maxBytes = 64 * 1024;

/** What a daemon must know of the agent that an earlier one started. */
const Remembered = z.object({
  run_id: z.string(),
  session_id: z.string().optional(),
  /** The agent's process group and when its leader started, so that a number used again is not taken for it. */
  process: z.object({ pid: z.number().int().positive(), started: z.string() }).optional(),
  /** The newest turn that the daemon accepted, of whichever run: a second witness beside the turn log. */
  last_turn: z.object({ turn_id: z.string(), run_id: z.string() }).optional(),
});
type Remembered = z.infer<typeof Remembered>;

/** What the file says about turns. A file that exists and cannot be read may have named one. */
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

  /** The session that the run's agent had last. */
  async sessionOf(runId: string): Promise<string | undefined> {
    const remembered = await this.#read();
    return remembered?.run_id === runId ? remembered.session_id : undefined;
  }

  rememberSession(runId: string, sessionId: string | undefined): Promise<void> {
    return this.#change(runId, sessionId === undefined ? {} : { session_id: sessionId });
  }

  async rememberProcess(runId: string, pid: number): Promise<void> {
    const started = await startOf(pid);
    if (started !== undefined) await this.#change(runId, { process: { pid, started } });
  }

  /** Called before the turn log takes the turn: a log without it is incomplete, or the daemon died between the two. */
  rememberTurn(runId: string, turnId: string): Promise<void> {
    return this.#change(runId, { last_turn: { turn_id: turnId, run_id: runId } });
  }

  /** Reads what the file says about turns, and moves an unreadable file out of the way of the next write. */
  async witness(): Promise<TurnWitness> {
    const file = await readStateFile(this.#path, maxBytes);
    if (file.kind === "missing") return "missing";
    const remembered = await this.#read();
    if (!remembered) {
      await setAside(this.#path);
      return "unreadable";
    }
    return { last_turn: remembered.last_turn };
  }

  /** Ends the agent of a daemon that is no more: nobody hears it, and it would work on beside its successor. */
  async endOrphan(): Promise<void> {
    const { process: orphan } = (await this.#read()) ?? {};
    if (!orphan || (await startOf(orphan.pid)) !== orphan.started) return;
    try {
      process.kill(-orphan.pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }

  /** Undefined where there is none, or one that was damaged. */
  async #read(): Promise<Remembered | undefined> {
    try {
      const file = await readStateFile(this.#path, maxBytes);
      return file.kind === "read" ? Remembered.parse(JSON.parse(file.content.toString("utf8"))) : undefined;
    } catch {
      return undefined;
    }
  }

  #change(runId: string, change: Partial<Remembered>): Promise<void> {
    const changed = this.#tail.then(async () => {
      const before = await this.#read();
      const kept = before?.run_id === runId ? before : before?.last_turn && { last_turn: before.last_turn };
      const now: Remembered = { ...kept, ...change, run_id: runId };
      await replaceFile(this.#path, JSON.stringify(now));
    });
    this.#tail = changed.catch(() => {});
    return changed;
  }
}

/** When a process started, in the kernel's own clock; undefined where that is not known. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces and brackets; the 22nd field is the 20th after it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
