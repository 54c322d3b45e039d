import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { eventKinds, EventType } from "@wharf/contract";
import { z } from "zod";
import { replaceFile, syncFolder } from "../../file-system/files.ts";
import { readStateFile, setAside } from "../../file-system/state-file.ts";
import { parseCheckedLine, toCheckedLine } from "../../std/checked-line.ts";

/** The limit allows about a hundred thousand turns: a larger file was not written by a daemon. */
const maxBytes = 64 * 1024 * 1024;

/**
 * The turn log records the steps of every turn on disk, one JSON line with a checksum per step,
 * never trimmed:
 *
 * - `running`: the key is taken; the agent may get the prompt from now on.
 * - `ending`: the turn's last event and its future place in the journal, written before the
 *   append. If the next step is missing, recovery checks that place to see whether the event is in.
 * - `done`: the event is in the journal.
 * - `incomplete`: steps before this one were lost, so a turn that is not in the log may have
 *   begun.
 *
 * A last line without a line feed was cut by a crash and never acted upon: opening the file removes
 * it. Any other altered line makes the log incomplete; the damaged file is kept beside it.
 */
const Running = z.object({ step: z.literal("running"), turn_id: z.string(), run_id: z.string(), at: z.string() });
const Ending = z.object({
  step: z.literal("ending"),
  turn_id: z.string(),
  state: z.enum(["ENDED", "CANCELLED", "INTERRUPTED"]),
  /** The journal's epoch, and the event's future sequence in it, form the event's place. */
  epoch: z.string(),
  seq: z.number(),
  type: EventType,
  data: eventKinds.turn,
});
const Done = z.object({ step: z.literal("done"), turn_id: z.string() });
const Incomplete = z.object({ step: z.literal("incomplete"), at: z.string() });
const LogStep = z.discriminatedUnion("step", [Running, Ending, Done, Incomplete]);
type LogStep = z.infer<typeof LogStep>;

export type TurnEnding = z.infer<typeof Ending>;
export interface LoggedTurn {
  turn_id: string;
  run_id: string;
  ending?: TurnEnding;
  isDone: boolean;
}

export class TurnLog {
  readonly #path: string;
  readonly #turns = new Map<string, LoggedTurn>();
  #size: number;
  #hasLostSteps = false;
  #tail: Promise<void> = Promise.resolve();

  private constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  static async open(path: string): Promise<TurnLog> {
    const stateFile = await readStateFile(path, maxBytes);
    const content = stateFile.kind === "read" ? stateFile.content : Buffer.alloc(0);
    const size = content.lastIndexOf(10) + 1;
    const { steps, damaged } = parseSteps(content.toString("utf8", 0, size));
    const log = new TurnLog(path, size);
    for (const step of steps) log.#applyStep(step);
    if (stateFile.kind === "unusable" || damaged) await log.#replaceFile(steps);
    else await log.#prepareFile(size < content.length);
    return log;
  }

  /** The file records no turn. */
  get isEmpty(): boolean {
    return this.#turns.size === 0;
  }

  /** Turns may have begun that are not in the log. */
  get isIncomplete(): boolean {
    return this.#hasLostSteps;
  }

  get(turnId: string): LoggedTurn | undefined {
    return this.#turns.get(turnId);
  }

  /** Returns the turns whose last event may not be in the journal. */
  getOpenTurns(): LoggedTurn[] {
    return [...this.#turns.values()].filter((turn) => !turn.isDone);
  }

  recordRunning(turn: { turn_id: string; run_id: string }): Promise<void> {
    return this.#writeStep({ step: "running", ...turn, at: new Date().toISOString() });
  }

  recordEnding(ending: Omit<TurnEnding, "step">): Promise<void> {
    return this.#writeStep({ step: "ending", ...ending });
  }

  recordDone(turnId: string): Promise<void> {
    return this.#writeStep({ step: "done", turn_id: turnId });
  }

  recordIncomplete(): Promise<void> {
    return this.#writeStep(createIncompleteStep());
  }

  /** Creates the file if it is missing, and cuts a torn last line. */
  async #prepareFile(torn: boolean): Promise<void> {
    await using file = await open(this.#path, "a", 0o600);
    if (torn) await file.truncate(this.#size);
    await file.sync();
    await syncFolder(dirname(this.#path));
  }

  /** Sets a damaged file aside and continues with the intact steps. */
  async #replaceFile(intact: readonly LogStep[]): Promise<void> {
    await setAside(this.#path);
    const marker = createIncompleteStep();
    const content = [...intact, marker].map(formatStep).join("");
    await replaceFile(this.#path, content);
    this.#size = Buffer.byteLength(content);
    this.#applyStep(marker);
  }

  #writeStep(step: LogStep): Promise<void> {
    const completion = this.#tail.then(async () => {
      const line = Buffer.from(formatStep(step));
      await using file = await open(this.#path, "r+");
      try {
        for (let offset = 0; offset < line.length;)
          offset += (await file.write(line, offset, line.length - offset, this.#size + offset)).bytesWritten;
        await file.datasync();
      } catch (error) {
        await file.truncate(this.#size);
        throw error;
      }
      this.#size += line.length;
      this.#applyStep(step);
    });
    this.#tail = completion.catch(() => undefined);
    return completion;
  }

  #applyStep(step: LogStep): void {
    if (step.step === "incomplete") {
      this.#hasLostSteps = true;
      return;
    }
    if (step.step === "running") {
      this.#turns.set(step.turn_id, { turn_id: step.turn_id, run_id: step.run_id, isDone: false });
      return;
    }
    const turn = this.#turns.get(step.turn_id);
    if (!turn) return;
    if (step.step === "ending") turn.ending = step;
    if (step.step === "done") turn.isDone = true;
  }
}

const createIncompleteStep = (): LogStep => ({ step: "incomplete", at: new Date().toISOString() });
const formatStep = (step: LogStep): string => toCheckedLine(JSON.stringify(step));

function parseSteps(text: string): { steps: LogStep[]; damaged: boolean } {
  const steps = text.split("\n").slice(0, -1).map(parseStep);
  return { steps: steps.filter((step) => step !== undefined), damaged: steps.includes(undefined) };
}

function parseStep(line: string): LogStep | undefined {
  const json = parseCheckedLine(line);
  return json === undefined ? undefined : LogStep.safeParse(JSON.parse(json)).data;
}
