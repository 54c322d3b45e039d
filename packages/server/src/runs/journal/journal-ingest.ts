import { daemonApi, type JournalRecord, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { setJournalCursor, fenceLease, type Link, type Tenure } from "../../runners/index.ts";
import { isDatabaseUnavailable, schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import type { RunDeps } from "../shared/deps.ts";
import type { RunLease } from "../state/lease.ts";
import { getOpenTurn } from "../state/transitions.ts";
import { interruptTurn } from "./apply-record.ts";
import type { DividedSecretsOptions } from "./divided-secrets.ts";
import { type JournalCursor, JournalReader } from "./journal-reader.ts";

const { runners } = schema;

/** Maximum number of records, and maximum time, before the runner may trim them from its disk. */
const maxUnacknowledged = 500;
const acknowledgeIntervalMs = 1_000;
const retryDelayMs = 500;
const callTimeoutMs = 30_000;

export interface JournalIngestOptions {
  readonly tenure: Tenure;
  readonly runLease: RunLease;
  readonly link: Link;
  /**
   * Called when the cursor is known. No record may follow: an earlier server may have read the
   * whole journal.
   */
  readonly onOpened: () => void;
  /** Called with the records that are now in the log. */
  readonly onStored: (records: readonly JournalRecord[]) => void;
}

/**
 * Copies the runner's journal into the task's log, starting at the end of the log, and acknowledges
 * stored records so that the daemon may trim them. During a database outage the worker waits; any
 * other failure ends it.
 */
export class JournalIngest {
  readonly #deps: RunDeps;
  readonly #options: JournalIngestOptions;
  #cursor: JournalCursor = { epoch: "", seq: 0 };
  #acknowledgedSeq = 0;
  #isAcknowledging = false;

  constructor(deps: RunDeps, options: JournalIngestOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Sequence of the last record that is in the log. */
  get storedSeq(): number {
    return this.#cursor.seq;
  }

  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      try {
        await this.#followJournal(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isDatabaseUnavailable(error)) throw error;
        await this.#deps.wakeup.sleep(`ingest:${this.#options.tenure.runnerId}`, retryDelayMs, signal);
      }
    }
  }

  async #followJournal(signal: AbortSignal): Promise<never> {
    const { tenure, runLease, link, onOpened, onStored } = this.#options;
    this.#cursor = await this.#openCursor(signal);
    onOpened();
    const { log, modelHealth: faults } = this.#deps;
    const secrets = this.#createDividedSecretsOptions();
    const { runnerId } = tenure;
    const reader = new JournalReader(log, runLease, { runner_id: runnerId, cursor: this.#cursor, faults, secrets });
    const query = { after: reader.cursor.seq, follow: "true" } as const;
    const stream = link.client.stream(daemonApi.journal, { query }, { signal });
    await reader.follow(stream, (cursor, records) => {
      this.#cursor = cursor;
      onStored(records);
      void this.#acknowledge(signal);
    });
    signal.throwIfAborted();
    throw new WharfError("runner_unavailable", {
      runner_id: tenure.runnerId,
      reason: "the stream of its journal ended",
    });
  }

  #createDividedSecretsOptions(): DividedSecretsOptions | undefined {
    const { tenure, runLease } = this.#options;
    const { redaction } = this.#deps;
    const context = { runner_id: tenure.runnerId, run_id: runLease.run_id, task_id: runLease.task_id };
    return (
      redaction && {
        secrets: redaction.secrets,
        onMatch: ({ name }) => redaction.onRedacted(context, { secret: name, where: "events" }),
      }
    );
  }

  /**
   * Finds the end of the log. A journal of another epoch means that the old one is lost, including
   * its unread records.
   */
  async #openCursor(signal: AbortSignal): Promise<JournalCursor> {
    const { tenure, runLease, link } = this.#options;
    const { journal } = await tenure.runStep(
      { name: "journal", maxMs: callTimeoutMs, signals: [signal] },
      (stepSignal) => link.client.call(daemonApi.health, {}, { signal: stepSignal }),
    );
    return this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, runLease.task_id);
      await fenceLease(writer.tx, tenure.lease);
      const [runner] = await writer.tx.select().from(runners).where(eq(runners.id, tenure.runnerId));
      const storedCursor = { epoch: runner?.journal_epoch ?? "", seq: runner?.journal_cursor ?? 0 };
      if (storedCursor.epoch === journal.epoch && storedCursor.seq + 1 >= journal.first) return storedCursor;
      // A restored database may be older than the last acknowledgement, so the daemon has trimmed
      // more.
      const seq = storedCursor.epoch === journal.epoch ? journal.first - 1 : 0;
      if (storedCursor.epoch !== "") await this.#reportLoss(writer, storedCursor.epoch === journal.epoch);
      await setJournalCursor(writer.tx, tenure.runnerId, { epoch: journal.epoch, seq });
      return { epoch: journal.epoch, seq };
    });
  }

  async #reportLoss(writer: Parameters<Parameters<RunDeps["log"]["write"]>[0]>[0], wasTrimmed: boolean): Promise<void> {
    const { tenure, runLease } = this.#options;
    const name = tenure.runnerId.slice(0, 8);
    const message = wasTrimmed
      ? `The database is older than the state of runner ${name}. This log lacks what the runner reported in between.`
      : `The disk of runner ${name} was lost, with everything that the runner had not reported yet.`;
    await writer.append(runLease.task_id, [{ run_id: runLease.run_id, data: { kind: "notice", message } }]);
    const turn = await getOpenTurn(writer.tx, runLease.task_id);
    if (turn?.state === "RUNNING" && !wasTrimmed) await interruptTurn(writer, turn, "the runner's disk was lost");
  }

  /** A failed acknowledgement costs only disk: the next one includes it. */
  async #acknowledge(signal: AbortSignal): Promise<void> {
    if (this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    try {
      while (this.#cursor.seq > this.#acknowledgedSeq && !signal.aborted) {
        if (this.#cursor.seq - this.#acknowledgedSeq < maxUnacknowledged)
          await this.#deps.wakeup.sleep(`acknowledge:${this.#options.tenure.runnerId}`, acknowledgeIntervalMs, signal);
        if (signal.aborted) return;
        const cursor = this.#cursor;
        await this.#options.link.client.call(daemonApi.ackJournal, { body: cursor }, { signal });
        this.#acknowledgedSeq = cursor.seq;
      }
    } catch (error) {
      this.#deps.logger.debug({ error, runner_id: this.#options.tenure.runnerId }, "could not acknowledge a journal");
    } finally {
      this.#isAcknowledging = false;
    }
  }
}
