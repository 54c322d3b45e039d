import { ChunkRedactor, type ChunkRedactorOptions } from "./chunk-redactor.ts";

/** How long an item may wait for the one that continues its text. */
const maxWaitMs = 1_000;

export interface TextPart {
  /** Parts of the same stream continue each other. */
  readonly stream: string;
  readonly bytes: Buffer;
}

export interface ReadyItem<Item> {
  readonly item: Item;
  /** The part's bytes without secrets; undefined for an item without a text. */
  readonly bytes: Buffer | undefined;
}

interface WaitingItem<Item> {
  readonly item: Item;
  readonly hasText: boolean;
  readonly since: number;
  /** The bytes of the text that are still to come from the redactor. */
  missing: number;
  readonly pieces: Buffer[];
}

interface TextStream<Item> {
  readonly redactor: ChunkRedactor;
  /** Items whose text is incomplete. */
  readonly waiting: WaitingItem<Item>[];
}

/**
 * Removes secrets that are divided between items of a sequence, each of which has a part of a text.
 *
 * An item whose text ends with more than three letters of a secret waits for the item that
 * continues the text, and later items wait behind it, so that their order remains. After a second
 * they can be released, without what they contain of the secret if that is long enough to matter.
 * What completes the secret later is removed even then.
 */
export class DividedTexts<Item> {
  readonly #options: Pick<ChunkRedactorOptions, "getMatcher" | "onMatch">;
  readonly #streams = new Map<string, TextStream<Item>>();
  readonly #queue: WaitingItem<Item>[] = [];

  constructor(options: Pick<ChunkRedactorOptions, "getMatcher" | "onMatch">) {
    this.#options = options;
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  add(item: Item, text?: TextPart): void {
    const stream = text && this.#getStream(text.stream);
    const bytes = text && stream?.redactor.redact(text.bytes);
    const missing = text?.bytes.length ?? 0;
    const waiting = { item, hasText: text !== undefined, since: performance.now(), missing, pieces: [] };
    this.#queue.push(waiting);
    if (!stream || !bytes) return;
    stream.waiting.push(waiting);
    addBytes(stream, bytes);
  }

  /** Continues a text whose earlier part was passed on before. */
  resume({ stream, bytes }: TextPart): void {
    const { redactor } = this.#getStream(stream);
    redactor.redact(bytes);
    redactor.release();
  }

  /** No text continues. */
  endTexts(): void {
    for (const stream of this.#streams.values()) addBytes(stream, stream.redactor.end());
    this.#streams.clear();
  }

  /** Completes the items that wait. */
  release(): void {
    for (const stream of this.#streams.values()) addBytes(stream, stream.redactor.release());
  }

  /** Returns the items up to the first that waits. */
  takeReady(): ReadyItem<Item>[] {
    const waitingIndex = this.#queue.findIndex(({ missing }) => missing > 0);
    return this.#queue
      .splice(0, waitingIndex < 0 ? this.#queue.length : waitingIndex)
      .map(({ item, hasText, pieces }) => ({ item, bytes: hasText ? Buffer.concat(pieces) : undefined }));
  }

  /** Returns how long the waiting items may still wait; undefined if none does. */
  getRemainingWaitMs(): number | undefined {
    const [first] = this.#queue;
    return first && Math.max(0, first.since + maxWaitMs - performance.now());
  }

  #getStream(name: string): TextStream<Item> {
    const existing = this.#streams.get(name);
    if (existing) return existing;
    const redactor = new ChunkRedactor({ ...this.#options, isLive: true });
    const stream = { redactor, waiting: [] };
    this.#streams.set(name, stream);
    return stream;
  }
}

/**
 * Divides the bytes between the items of a text. Redaction changes no length, and replaces whole
 * characters.
 */
function addBytes<Item>({ waiting }: TextStream<Item>, bytes: Buffer): void {
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
