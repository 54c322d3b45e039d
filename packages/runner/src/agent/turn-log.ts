import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { eventKinds, EventType } from "@wharf/contract";
import { z } from "zod";
import { decodeCheckedLine, encodeCheckedLine } from "../support/checked-line.ts";
import { replaceFile, syncFolder } from "../support/files.ts";
import { readStateFile, setAside } from "../support/state-file.ts";

/** About a hundred thousand turns: a larger file is none that a daemon wrote. */
const maxBytes = 64 * 1024 * 1024;

/**
 * What is known of every turn, on disk, one JSON line a step with its checksum, never trimmed:
 *
 * - `running`: the key is taken; the agent may get the prompt from now on.
 * - `ending`: the turn's last event and the place in the journal where it will stand, written before it is appended.
 *   Whoever finds this step without the next looks at that place to know whether the event is in.
 * - `done`: the event is in the journal.
 * - `incomplete`: steps before this one were lost, so a turn that is not in the log may have begun all the same.
 *
 * A last line without a line feed was cut by a crash and never acted upon: it is removed when the file is opened. Any
 * other line that is not as it was written makes the log incomplete; the damaged file is kept beside it.
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
const Incomplete = z.object({ step: z.literal("incomplete"), at: z.string() });
const Step = z.discriminatedUnion("step", [Running, Ending, Done, Incomplete]);
type Step = z.infer<typeof Step>;

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
  #incomplete = false;
  #tail: Promise<void> = Promise.resolve();

  private constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  static async open(path: string): Promise<TurnLog> {
    const found = await readStateFile(path, maxBytes);
    const content = found.kind === "read" ? found.content : Buffer.alloc(0);
    const size = content.lastIndexOf(10) + 1;
    const { steps, damaged } = parseSteps(content.toString("utf8", 0, size));
    const log = new TurnLog(path, size);
    for (const step of steps) log.#take(step);
    if (found.kind === "unusable" || damaged) await log.#replace(steps);
    else await log.#prepare(size < content.length);
    return log;
  }

  /** Whether no turn has ever begun, as far as this file tells. */
  get isEmpty(): boolean {
    return this.#turns.size === 0;
  }

  /** Whether turns may have begun that are not in the log. */
  get isIncomplete(): boolean {
    return this.#incomplete;
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

  incomplete(): Promise<void> {
    return this.#write(incompleteNow());
  }

  /** Creates the file where there is none, and cuts a torn last line. */
  async #prepare(torn: boolean): Promise<void> {
    await using file = await open(this.#path, "a", 0o600);
    if (torn) await file.truncate(this.#size);
    await file.sync();
    await syncFolder(dirname(this.#path));
  }

  /** Sets a damaged file aside and continues with the steps that are intact. */
  async #replace(intact: readonly Step[]): Promise<void> {
    await setAside(this.#path);
    const marker = incompleteNow();
    const content = [...intact, marker].map(encodeStep).join("");
    await replaceFile(this.#path, content);
    this.#size = Buffer.byteLength(content);
    this.#take(marker);
  }

  #write(step: Step): Promise<void> {
    const written = this.#tail.then(async () => {
      const line = Buffer.from(encodeStep(step));
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

  #take(step: Step): void {
    if (step.step === "incomplete") {
      this.#incomplete = true;
      return;
    }
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

const incompleteNow = (): Step => ({ step: "incomplete", at: new Date().toISOString() });
const encodeStep = (step: Step): string => encodeCheckedLine(JSON.stringify(step));

function parseSteps(text: string): { steps: Step[]; damaged: boolean } {
  const steps = text.split("\n").slice(0, -1).map(parseStep);
  return { steps: steps.filter((step) => step !== undefined), damaged: steps.includes(undefined) };
}

function parseStep(line: string): Step | undefined {
  const json = decodeCheckedLine(line);
  return json === undefined ? undefined : Step.safeParse(JSON.parse(json)).data;
}
