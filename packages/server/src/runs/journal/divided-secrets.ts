import type { JournalRecord } from "@wharf/contract";
import { DividedTexts, type KnownSecrets, type ReadyItem, type SecretMatch } from "../../redaction/index.ts";

/** Maximum number of records that wait: any record waits behind an earlier one. */
const maxWaitingRecords = 200;

export interface DividedSecretsOptions {
  readonly secrets: KnownSecrets;
  readonly onMatch: (match: SecretMatch) => void;
}

/**
 * Removes secrets that are divided between the records of one text: an agent's messages, its
 * thoughts, or its output. Each record by itself has been searched before.
 *
 * Records that wait are not in the log meanwhile, and the journal's cursor is before them: if the
 * server dies, they are read again.
 */
export class DividedSecrets {
  readonly #texts: DividedTexts<JournalRecord>;

  constructor({ secrets, onMatch }: DividedSecretsOptions) {
    this.#texts = new DividedTexts({ getMatcher: () => secrets.matcher, onMatch });
  }

  /** Continues texts of the log, so that a new reader knows what the last one passed on. */
  resume(records: readonly Pick<JournalRecord, "data">[]): void {
    for (const { data } of records) {
      const text = getText(data);
      if (text === undefined) this.#endTexts(data);
      else this.#texts.resume({ stream: text.stream, bytes: Buffer.from(text.text) });
    }
  }

  /** Takes the next records; returns those that can be stored. */
  add(records: readonly JournalRecord[]): JournalRecord[] {
    for (const record of records) {
      const text = getText(record.data);
      this.#texts.add(record, text && { stream: text.stream, bytes: Buffer.from(text.text) });
      if (text === undefined) this.#endTexts(record.data);
    }
    const ready = this.#takeReady();
    const isOverdue = this.getRemainingWaitMs() === 0 || this.#texts.waitingCount > maxWaitingRecords;
    return isOverdue ? [...ready, ...this.release()] : ready;
  }

  /** Returns the records that waited. */
  release(): JournalRecord[] {
    this.#texts.release();
    return this.#takeReady();
  }

  /** Returns how long the waiting records may still wait; undefined if none does. */
  getRemainingWaitMs(): number | undefined {
    return this.#texts.getRemainingWaitMs();
  }

  /** No text continues after its turn or its agent. */
  #endTexts({ kind }: JournalRecord["data"]): void {
    if (kind === "turn" || kind === "agent_exit") this.#texts.endTexts();
  }

  #takeReady(): JournalRecord[] {
    return this.#texts.takeReady().map(toRecord);
  }
}

/** Returns the text of an event that later events may continue. */
function getText(data: JournalRecord["data"]): { readonly stream: string; readonly text: string } | undefined {
  if (data.kind === "message" && data.role === "user") return undefined;
  if (data.kind === "message" || data.kind === "thought") return { stream: data.kind, text: data.text };
  return data.kind === "output" ? { stream: data.stream, text: data.text } : undefined;
}

function toRecord({ item: record, bytes }: ReadyItem<JournalRecord>): JournalRecord {
  const text = bytes?.toString();
  return text === undefined || text === getText(record.data)?.text ? record : withText(record, text);
}

function withText(record: JournalRecord, text: string): JournalRecord {
  const { data } = record;
  if (data.kind === "message" || data.kind === "thought" || data.kind === "output")
    return { ...record, data: { ...data, text } };
  return record;
}
