import { setTimeout as sleep } from "node:timers/promises";
import {
  type EventData,
  type EventKind,
  JournalRecord,
  getRunnerNextStep,
  RunnerRecord,
  toOneLine,
  toRunnerCode,
  toStorable,
  WharfError,
} from "@wharf/contract";
import { and, eq } from "drizzle-orm";
import type { Log } from "../../events/index.ts";
import { type Executor, isUnstorable, schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import type { ModelFaults } from "../shared/deps.ts";
import { lockLeasedRun, type RunLease } from "../state/lease.ts";
import { applyRecord } from "./apply-record.ts";
import { DividedSecrets, type DividedSecretsOptions } from "./divided-secrets.ts";
import { isModelFailure } from "./model-failures.ts";
import { getTurnVerdict } from "./model-verdict.ts";

const { runners, runs } = schema;

export interface JournalCursor {
  readonly epoch: string;
  readonly seq: number;
}

/** Maximum number of records per transaction. */
const batchSize = 100;
/** Number of events at the end of the log that a new reader looks at: texts that may continue. */
const maxResumedEvents = 50;
/** Only the server can know these; a runner that reports them is hostile. */
const serverKinds: ReadonlySet<EventKind> = new Set(["state", "phase", "push"]);

function isServerEvent(data: EventData): boolean {
  if (data.kind === "message") return data.role !== "agent";
  if (data.kind === "usage") return data.source !== "agent";
  return serverKinds.has(data.kind);
}

export interface JournalReaderOptions {
  readonly runner_id: string;
  readonly cursor: JournalCursor;
  readonly faults: ModelFaults;
  /** Secrets that records may divide between them. */
  readonly secrets?: DividedSecretsOptions | undefined;
}

/**
 * Copies a runner's journal into the task's log: in order, each record once. The cursor moves in
 * the transaction that appends, under the runner's lock, so if any process dies at any moment, the
 * next one continues exactly at the end of the log.
 */
export class JournalReader {
  readonly #log: Log;
  readonly #lease: RunLease;
  readonly #runnerId: string;
  readonly #faults: ModelFaults;
  readonly #secrets: DividedSecretsOptions | undefined;
  /**
   * Runs of this task: a record may name an earlier run of the task, but no run of another task.
   */
  #knownRunIds = new Set<string>();
  cursor: JournalCursor;

  constructor(log: Log, lease: RunLease, options: JournalReaderOptions) {
    this.#log = log;
    this.#faults = options.faults;
    this.#secrets = options.secrets;
    this.#lease = lease;
    this.#runnerId = options.runner_id;
    this.cursor = options.cursor;
  }

  /**
   * Reads the stream until it ends. `stored` receives the records and the new cursor, so that the
   * daemon may trim its journal.
   */
  async follow(
    stream: AsyncIterable<unknown>,
    stored: (cursor: JournalCursor, records: readonly JournalRecord[]) => void,
  ): Promise<void> {
    const divided = this.#secrets && (await this.#resumeTexts(this.#secrets));
    const batches = toBatches(stream, { size: batchSize, getWaitMs: () => divided?.getRemainingWaitMs() });
    for await (const batch of batches) {
      const parsed = batch.map((line) => this.#parseRecord(line));
      const records = divided?.add(parsed) ?? parsed;
      if (records.length === 0) continue;
      await this.#storeRecords(records).catch((error: unknown) => {
        // A retry would fail again, and the log would stop here permanently.
        throw isUnstorable(error)
          ? this.#createHostileError("a journal record has a value that cannot be stored", error)
          : error;
      });
      stored(this.cursor, records);
    }
  }

  /** Continues the texts at the end of the log: what completes a secret there may come next. */
  async #resumeTexts(options: DividedSecretsOptions): Promise<DividedSecrets> {
    const { task_id, run_id } = this.#lease;
    const lastSeq = (await this.#log.readLastSeqs([task_id])).get(task_id) ?? 0;
    const events = await this.#log.read(task_id, Math.max(0, lastSeq - maxResumedEvents), maxResumedEvents);
    const divided = new DividedSecrets(options);
    divided.resume(events.filter(({ agent_id }) => agent_id === run_id));
    return divided;
  }

  #parseRecord(line: unknown): JournalRecord {
    const clean = toStorable(line);
    const record = RunnerRecord.safeParse(clean);
    if (record.success) return { ...record.data, data: this.#markSource(record.data.data) };
    const { data: refused } = JournalRecord.safeParse(clean);
    if (refused && isServerEvent(refused.data))
      throw this.#createHostileError(
        `a journal record has the kind '${refused.data.kind}', which only the server writes`,
      );
    const [issue] = record.error.issues;
    const where = toOneLine(issue?.path.join(".") ?? "", 100);
    throw this.#createHostileError(`a journal record is not valid (${where}: ${issue?.message ?? "unknown"})`);
  }

  /**
   * A notice, a refusal and a failure read like the server's own messages, and a person may follow
   * a failure's next step. So they are marked with their source, and the step comes from the
   * catalogue or from the known fault of the agent's model.
   */
  #markSource(data: RunnerRecord["data"]): EventData {
    if (data.kind === "notice" || data.kind === "denied") return { ...data, source: "runner" };
    if (data.kind !== "failure") return data;
    const code = toRunnerCode(data.code);
    const fault = isModelFailure(code) ? this.#faults.getFault(this.#lease.run_id) : undefined;
    return {
      ...data,
      code,
      next: fault?.next ?? getRunnerNextStep(code),
      ...(fault?.reset_at !== undefined && { reset_at: fault.reset_at }),
      source: "runner",
    };
  }

  async #storeRecords(records: readonly JournalRecord[]): Promise<void> {
    const { epoch, seq } = this.cursor;
    records.forEach((record, i) => {
      if (record.seq !== seq + 1 + i)
        throw this.#createHostileError(`journal record ${record.seq} came instead of ${seq + 1 + i}`);
    });
    await this.#log.write(async (writer) => {
      const task = await lockTask(writer.tx, this.#lease.task_id);
      const run = await lockLeasedRun(writer.tx, this.#lease);
      await this.#advanceCursor(writer.tx, records.length);
      await this.#updateKnownRuns(writer.tx, records);
      const ids = { task_id: task.id, run_id: run.id };
      const verdicts: Awaited<ReturnType<typeof getTurnVerdict>>[] = [];
      for (const record of records)
        verdicts.push(await getTurnVerdict(writer.tx, { ...ids, faults: this.#faults }, record));
      const events = verdicts.flatMap(({ record, precedingEvents }) => [
        ...precedingEvents,
        {
          run_id: this.#knownRunIds.has(record.run_id) ? record.run_id : run.id,
          type: record.type,
          data: record.data,
          timestamp: parseTimestamp(record.at),
          journal: { epoch, seq: record.seq },
        },
      ]);
      await writer.append(task.id, events);
      for (const { record } of verdicts) await applyRecord(writer, { ...ids, record });
    });
    this.cursor = { epoch, seq: seq + records.length };
  }

  /**
   * Locks the row and moves the cursor in one statement; the row decides whether this reader is
   * still current.
   */
  async #advanceCursor(tx: Executor, count: number): Promise<void> {
    const { epoch, seq } = this.cursor;
    const currentRow = and(
      eq(runners.id, this.#runnerId),
      eq(runners.journal_epoch, epoch),
      eq(runners.journal_cursor, seq),
    );
    const movedRows = await tx
      .update(runners)
      .set({ journal_cursor: seq + count })
      .where(currentRow)
      .returning({ id: runners.id });
    if (movedRows.length > 0) return;
    throw new WharfError("runner_unavailable", {
      runner_id: this.#runnerId,
      reason: "another reader has moved the journal's cursor",
    });
  }

  async #updateKnownRuns(tx: Executor, records: readonly JournalRecord[]): Promise<void> {
    if (records.every((record) => this.#knownRunIds.has(record.run_id))) return;
    const rows = await tx.select({ id: runs.id }).from(runs).where(eq(runs.task_id, this.#lease.task_id));
    this.#knownRunIds = new Set(rows.map((row) => row.id));
  }

  #createHostileError(reason: string, cause?: unknown): WharfError {
    return new WharfError("runner_hostile", { runner_id: this.#runnerId, reason }, { cause });
  }
}

const earliest = Date.UTC(2000);
const latest = Date.UTC(2200);

/**
 * Replaces an invalid time, or one of another century, by the server's: the runner's clock is not
 * trusted.
 */
function parseTimestamp(text: string): Date {
  const time = Date.parse(text);
  return time >= earliest && time < latest ? new Date(time) : new Date();
}

interface BatchOptions {
  readonly size: number;
  /** Returns after which time without a record the next batch is empty. */
  readonly getWaitMs: () => number | undefined;
}

/**
 * Groups the available records, so that a burst is one transaction and a single record is not
 * delayed.
 */
async function* toBatches<T>(source: AsyncIterable<T>, { size, getWaitMs }: BatchOptions): AsyncGenerator<T[]> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const first = await waitFor(next, getWaitMs());
      if (first?.done) return;
      const batch = first ? [first.value] : [];
      if (first) next = iterator.next();
      while (first && batch.length < size) {
        const result = await Promise.race([next, waitForImmediate()]);
        if (result === undefined || result.done) break;
        batch.push(result.value);
        next = iterator.next();
      }
      yield batch;
    }
  } finally {
    // Not awaited: the source ends only with its stream, and until then may wait for a line that
    // never comes.
    next.catch(() => undefined);
    iterator.return?.().catch(() => undefined);
  }
}

/** Returns undefined if the promise takes longer. */
async function waitFor<T>(promise: Promise<T>, maxMs: number | undefined): Promise<T | undefined> {
  if (maxMs === undefined) return promise;
  const timer = new AbortController();
  const timeout = sleep(maxMs, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    timer.abort();
  }
}

const waitForImmediate = () => new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
