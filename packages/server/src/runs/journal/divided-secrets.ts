import type { JournalRecord } from "@wharf/contract";
import { ChunkRedactor, type KnownSecrets, type SecretMatch } from "../../redaction/index.ts";

/** How long a record may wait for the one that continues its text. */
const maxWaitMs = 1_000;
/** Maximum number of records that wait: any record waits behind an earlier one. */
const maxWaitingRecords = 200;

export interface DividedSecretsOptions {
  readonly secrets: KnownSecrets;
  readonly onMatch: (match: SecretMatch) => void;
}

interface WaitingRecord {
  readonly record: JournalRecord;
  readonly since: number;
  /** The bytes of the text that are still to come from the redactor. */
  missing: number;
  readonly pieces: Buffer[];
}

interface TextStream {
  readonly redactor: ChunkRedactor;
  /** Records whose text is incomplete. */
  readonly waiting: WaitingRecord[];
}

/**
 * Removes secrets that are divided between the records of one text: an agent's messages, its
 * thoughts, or its output. Each record by itself has been searched before.
 *
 * A record whose text ends with more than three letters of a secret waits for the record that
 * continues the text, and later records wait behind it, so that their order remains. They are not
 * in the log meanwhile, and the journal's cursor is before them: if the server dies, they are read
 * again. After a second they are passed on, without what they contain of the secret if that is
 * long enough to matter. What completes the secret later is removed even then.
 */
export class DividedSecrets {
  readonly #options: DividedSecretsOptions;
  readonly #streams = new Map<string, TextStream>();
  readonly #queue: WaitingRecord[] = [];

  constructor(options: DividedSecretsOptions) {
    this.#options = options;
  }

  /** Continues texts of the log, so that a new reader knows what the last one passed on. */
  resume(records: readonly Pick<JournalRecord, "data">[]): void {
    for (const { data } of records) {
      const text = getText(data);
      if (text === undefined) this.#endTexts(data);
      else {
        const { redactor } = this.#getStream(text.stream);
        redactor.redact(Buffer.from(text.text));
        redactor.release();
      }
    }
  }

  /** Takes the next records; returns those that can be stored. */
  add(records: readonly JournalRecord[]): JournalRecord[] {
    for (const record of records) this.#addRecord(record);
    const ready = this.#takeReady();
    const isOverdue = this.getRemainingWaitMs() === 0 || this.#queue.length > maxWaitingRecords;
    return isOverdue ? [...ready, ...this.release()] : ready;
  }

  /** Returns the records that waited. */
  release(): JournalRecord[] {
    for (const stream of this.#streams.values()) addBytes(stream, stream.redactor.release());
    return this.#takeReady();
  }

  /** Returns how long the waiting records may still wait; undefined if none does. */
  getRemainingWaitMs(): number | undefined {
    const [first] = this.#queue;
    return first && Math.max(0, first.since + maxWaitMs - performance.now());
  }

  #addRecord(record: JournalRecord): void {
    const text = getText(record.data);
    const bytes = Buffer.from(text?.text ?? "");
    const waiting = { record, since: performance.now(), missing: bytes.length, pieces: [] };
    this.#queue.push(waiting);
    if (text === undefined) return this.#endTexts(record.data);
    const stream = this.#getStream(text.stream);
    stream.waiting.push(waiting);
    addBytes(stream, stream.redactor.redact(bytes));
  }

  #getStream(name: string): TextStream {
    const existing = this.#streams.get(name);
    if (existing) return existing;
    const { secrets, onMatch } = this.#options;
    const redactor = new ChunkRedactor({ getMatcher: () => secrets.matcher, onMatch, isLive: true });
    const stream = { redactor, waiting: [] };
    this.#streams.set(name, stream);
    return stream;
  }

  /** No text continues after its turn or its agent. */
  #endTexts({ kind }: JournalRecord["data"]): void {
    if (kind !== "turn" && kind !== "agent_exit") return;
    for (const stream of this.#streams.values()) addBytes(stream, stream.redactor.end());
    this.#streams.clear();
  }

  #takeReady(): JournalRecord[] {
    const waitingIndex = this.#queue.findIndex(({ missing }) => missing > 0);
    return this.#queue.splice(0, waitingIndex < 0 ? this.#queue.length : waitingIndex).map(toRecord);
  }
}

/** Returns the text of an event that later events may continue. */
function getText(data: JournalRecord["data"]): { readonly stream: string; readonly text: string } | undefined {
  if (data.kind === "message" && data.role === "user") return undefined;
  if (data.kind === "message" || data.kind === "thought") return { stream: data.kind, text: data.text };
  return data.kind === "output" ? { stream: data.stream, text: data.text } : undefined;
}

/**
 * Divides the bytes between the records of a text. Redaction changes no length, and replaces whole
 * characters.
 */
function addBytes({ waiting }: TextStream, bytes: Buffer): void {
  let rest = bytes;
  for (let first = waiting[0]; first; first = waiting[0]) {
    const piece = rest.subarray(0, first.missing);
    rest = rest.subarray(piece.length);
    first.pieces.push(piece);
    first.missing -= piece.length;
    if (first.missing > 0) return;
    waiting.shift();
  }
}

function toRecord({ record, pieces }: WaitingRecord): JournalRecord {
  const text = Buffer.concat(pieces).toString();
  return text === getText(record.data)?.text || pieces.length === 0 ? record : withText(record, text);
}

function withText(record: JournalRecord, text: string): JournalRecord {
  const { data } = record;
  if (data.kind === "message" || data.kind === "thought" || data.kind === "output")
    return { ...record, data: { ...data, text } };
  return record;
}
