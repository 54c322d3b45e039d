import {
  type EventData,
  type EventKind,
  JournalRecord,
  nextOfRunner,
  RunnerRecord,
  toOneLine,
  toRunnerCode,
  toStorable,
  WharfError,
} from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { Log } from "../events/index.ts";
import { type Executor, isUnstorable, schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import { applyRecord } from "./apply.ts";
import type { ModelFaults } from "./deps.ts";
import { lockLeased, type RunLease } from "./lease.ts";
import { judgeTurnEnd } from "./model-verdict.ts";

const { runners, runs } = schema;

export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

/** Records written to the log in one transaction. */
const batchSize = 100;
/** What only the server can know; a runner that says it lies. */
const serverKinds: ReadonlySet<EventKind> = new Set(["state", "phase", "push"]);

function isOnlyTheServers(data: EventData): boolean {
  if (data.kind === "message") return data.role !== "agent";
  if (data.kind === "usage") return data.source !== "agent";
  return serverKinds.has(data.kind);
}

/**
 * Takes what a runner's journal says into the task's log: in order, each record once. The cursor moves in the
 * transaction that appends, under the runner's lock, so whichever process dies at whatever moment, the next one reads on
 * exactly where the log ends.
 */
export class JournalReader {
  readonly #log: Log;
  readonly #lease: RunLease;
  readonly #runnerId: string;
  readonly #faults: ModelFaults;
  /** Runs of this task: a record may name an earlier one, never a stranger's. */
  #known = new Set<string>();
  cursor: Cursor;

  constructor(log: Log, lease: RunLease, at: { runner_id: string; cursor: Cursor; faults: ModelFaults }) {
    this.#log = log;
    this.#faults = at.faults;
    this.#lease = lease;
    this.#runnerId = at.runner_id;
    this.cursor = at.cursor;
  }

  /** Reads the stream until it ends; `stored` is told what the log holds and how far, so that the daemon may trim. */
  async follow(
    stream: AsyncIterable<unknown>,
    stored: (cursor: Cursor, records: readonly JournalRecord[]) => void,
  ): Promise<void> {
    for await (const batch of inBatches(stream, batchSize)) {
      const records = batch.map((line) => this.#parse(line));
      await this.#store(records).catch((error: unknown) => {
        // Tried again it would fail again, and the log would stop here for good.
        throw isUnstorable(error)
          ? this.#hostile("a journal record holds a value that cannot be stored", error)
          : error;
      });
      stored(this.cursor, records);
    }
  }

  #parse(line: unknown): JournalRecord {
    const clean = toStorable(line);
    const record = RunnerRecord.safeParse(clean);
    if (record.success) return { ...record.data, data: this.#markSource(record.data.data) };
    const { data: refused } = JournalRecord.safeParse(clean);
    if (refused && isOnlyTheServers(refused.data))
      throw this.#hostile(`a journal record says '${refused.data.kind}', which only the server says`);
    const [issue] = record.error.issues;
    const where = toOneLine(issue?.path.join(".") ?? "", 100);
    throw this.#hostile(`a journal record is not valid (${where}: ${issue?.message ?? "unknown"})`);
  }

  /**
   * A notice, a refusal and a failure read like the server's own words, and a failure has a next step that a person may
   * follow: they are marked, and the step is the catalogue's, or what is known of the model that failed the agent.
   */
  #markSource(data: RunnerRecord["data"]): EventData {
    if (data.kind === "notice" || data.kind === "denied") return { ...data, source: "runner" };
    if (data.kind !== "failure") return data;
    const code = toRunnerCode(data.code);
    const fault = isOfAgent(code) ? this.#faults.findFault(this.#lease.run_id) : undefined;
    return { ...data, code, next: fault?.next ?? nextOfRunner(code), source: "runner" };
  }

  async #store(records: readonly JournalRecord[]): Promise<void> {
    const { epoch, seq } = this.cursor;
    records.forEach((record, i) => {
      if (record.seq !== seq + 1 + i)
        throw this.#hostile(`journal record ${record.seq} came where ${seq + 1 + i} was due`);
    });
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, this.#lease.task_id);
      const run = await lockLeased(writer.tx, this.#lease);
      await this.#moveCursor(writer.tx, records.length);
      await this.#learnRuns(writer.tx, records);
      const at = { task_id: task.id, run_id: run.id };
      const verdicts: Awaited<ReturnType<typeof judgeTurnEnd>>[] = [];
      for (const record of records)
        verdicts.push(await judgeTurnEnd(writer.tx, { ...at, faults: this.#faults }, record));
      const events = verdicts.flatMap(({ record, before }) => [
        ...before,
        {
          run_id: this.#known.has(record.run_id) ? record.run_id : run.id,
          type: record.type,
          data: record.data,
          timestamp: timeOf(record.at),
          journal: { epoch, seq: record.seq },
        },
      ]);
      await writer.append(task.id, events);
      for (const { record } of verdicts) await applyRecord(writer, { ...at, record });
    });
    this.cursor = { epoch, seq: seq + records.length };
  }

  /** Takes the row's lock and the step in one statement; it is the row that says whether this reader is still the one. */
  async #moveCursor(tx: Executor, by: number): Promise<void> {
    const { epoch, seq } = this.cursor;
    const here = and(eq(runners.id, this.#runnerId), eq(runners.journal_epoch, epoch), eq(runners.journal_cursor, seq));
    const moved = await tx
      .update(runners)
      .set({ journal_cursor: seq + by })
      .where(here)
      .returning({ id: runners.id });
    if (moved.length > 0) return;
    throw new WharfError("runner_unavailable", {
      runner_id: this.#runnerId,
      reason: "another reader moved the journal's cursor",
    });
  }

  async #learnRuns(tx: Executor, records: readonly JournalRecord[]): Promise<void> {
    if (records.every((record) => this.#known.has(record.run_id))) return;
    const rows = await tx.select({ id: runs.id }).from(runs).where(eq(runs.task_id, this.#lease.task_id));
    this.#known = new Set(rows.map((row) => row.id));
  }

  #hostile(reason: string, cause?: unknown): WharfError {
    return new WharfError("runner_hostile", { runner_id: this.#runnerId, reason }, { cause });
  }
}

const earliest = Date.UTC(2000);
const latest = Date.UTC(2200);

/** The runner's clock is its own: a time that is none, or of another century, is replaced by ours. */
function timeOf(at: string): Date {
  const time = Date.parse(at);
  return time >= earliest && time < latest ? new Date(time) : new Date();
}

/** Groups what is already there, so that a burst is one transaction and a single record waits for nobody. */
async function* inBatches<T>(source: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const first = await next;
      if (first.done) return;
      const batch = [first.value];
      next = iterator.next();
      while (batch.length < size) {
        const more = await Promise.race([next, nothingYet()]);
        if (more === undefined || more.done) break;
        batch.push(more.value);
        next = iterator.next();
      }
      yield batch;
    }
  } finally {
    // Not waited for: the source ends with what it reads from, and may wait until then for a line that never comes.
    next.catch(() => undefined);
    iterator.return?.().catch(() => undefined);
  }
}

/** Failures that a model may be the cause of. */
const isOfAgent = (code: string) => code === "agent_refused" || code === "agent_exited" || code === "agent_timeout";

const nothingYet = () => new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
