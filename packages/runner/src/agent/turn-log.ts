import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { eventKinds, EventType } from "@wharf/contract";
import { z } from "zod";
import { syncFolder } from "../support/files.ts";

/**
 * What is known of every turn, on disk, one JSON line a step, never trimmed:
 *
 * - `running`: the key is taken; the agent may get the prompt from now on.
 * - `ending`: the turn's last event and the place in the journal where it will stand, written before it is appended.
 *   Whoever finds this step without the next looks at that place to know whether the event is in.
 * - `done`: the event is in the journal.
 *
 * A line that was cut by a crash was never acted upon: it is removed when the file is opened.
 */
const Running = z.object({ step: z.literal("running"), turn_id: z.string(), run_id: z.string(), at: z.string() });
const Ending = z.object({
  step: z.literal("ending"),
  turn_id: z.string(),
  state: z.enum(["ENDED", "CANCELLED", "INTERRUPTED"]),
  /** The journal's epoch, and the sequence the event will have in it. */
  epoch: z.string(),
  seq: z.number(),
  type: EventType,
  data: eventKinds.turn,
});
const Done = z.object({ step: z.literal("done"), turn_id: z.string() });
const Step = z.discriminatedUnion("step", [Running, Ending, Done]);

export type TurnEnding = z.infer<typeof Ending>;
export interface LoggedTurn {
  turn_id: string;
  run_id: string;
  ending?: TurnEnding;
  done: boolean;
}

export class TurnLog {
  readonly #path: string;
  readonly #turns = new Map<string, LoggedTurn>();
  #size: number;
  #tail: Promise<void> = Promise.resolve();

  private constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  static async open(path: string): Promise<TurnLog> {
    await using file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const content = await file.readFile();
    const size = content.lastIndexOf(10) + 1;
    if (size < content.length) await file.truncate(size);
    await file.sync();
    await syncFolder(dirname(path));
    const log = new TurnLog(path, size);
    for (const line of content.toString("utf8", 0, size).split("\n")) log.#recall(line);
    return log;
  }

  get(turnId: string): LoggedTurn | undefined {
    return this.#turns.get(turnId);
  }

  /** Turns whose last event may not be in the journal. */
  open(): LoggedTurn[] {
    return [...this.#turns.values()].filter((turn) => !turn.done);
  }

  running(turn: { turn_id: string; run_id: string }): Promise<void> {
    return this.#write({ step: "running", ...turn, at: new Date().toISOString() });
  }

  ending(ending: Omit<TurnEnding, "step">): Promise<void> {
    return this.#write({ step: "ending", ...ending });
  }

  done(turnId: string): Promise<void> {
    return this.#write({ step: "done", turn_id: turnId });
  }

  #write(step: z.infer<typeof Step>): Promise<void> {
    const written = this.#tail.then(async () => {
      const line = Buffer.from(`${JSON.stringify(step)}\n`);
      await using file = await open(this.#path, "r+");
      try {
        for (let at = 0; at < line.length;)
          at += (await file.write(line, at, line.length - at, this.#size + at)).bytesWritten;
        await file.datasync();
      } catch (error) {
        await file.truncate(this.#size);
        throw error;
      }
      this.#size += line.length;
      this.#take(step);
    });
    this.#tail = written.catch(() => {});
    return written;
  }

  #recall(line: string): void {
    if (line === "") return;
    const step = Step.safeParse(parsed(line));
    if (step.success) this.#take(step.data);
  }

  #take(step: z.infer<typeof Step>): void {
    if (step.step === "running") {
      this.#turns.set(step.turn_id, { turn_id: step.turn_id, run_id: step.run_id, done: false });
      return;
    }
    const turn = this.#turns.get(step.turn_id);
    if (!turn) return;
    if (step.step === "ending") turn.ending = step;
    if (step.step === "done") turn.done = true;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
