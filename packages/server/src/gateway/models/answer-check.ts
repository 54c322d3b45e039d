import { z } from "zod";

/** Bytes kept of the beginning of an answer, for the message of an error. */
const maxHeadBytes = 16 * 1024;
/**
 * Characters kept of the end of a chunk, because a line that begins an event may be split anywhere.
 */
const maxTailCharacters = 8;

const stream = /^\s*(?:data|event|id|retry)?:/;
const json = /^\s*[[{]/;
const firstData = /(?:^|[\r\n])data:/;
const nextData = /[\r\n]data:/;
/** A stream may begin well and report an error as an event. */
const errorEvent =
  /(?:^|[\r\n])(?:event: ?(?:error|response\.failed)\b|data: ?\{\s*"(?:error"\s*:\s*\{|type"\s*:\s*"error"))/;

const ApiError = z.object({ error: z.object({ message: z.string() }) });
const Words = z.union([
  z.object({ response: ApiError }).transform(({ response }) => response.error.message),
  ApiError.transform(({ error }) => error.message),
  z.tuple([ApiError], z.unknown()).transform(([{ error }]) => error.message),
  z.object({ error: z.string() }).transform(({ error }) => error),
  z.object({ message: z.string() }).transform(({ message }) => message),
]);

/**
 * Checks an answer as it passes, with bounded memory: whether it has the form of a model's answer
 * (JSON, or a stream with at least one event), and which message an error contains.
 */
export class AnswerCheck {
  #head = "";
  #tail = "";
  #sawData = false;
  #sawEvent = false;

  add(chunk: Buffer): void {
    const isBeginning = this.#head.length === this.#tail.length;
    if (this.#head.length < maxHeadBytes) this.#head += chunk.toString("latin1", 0, maxHeadBytes - this.#head.length);
    if (this.#sawEvent) return;
    const text = this.#tail + chunk.toString("latin1");
    this.#tail = text.slice(-maxTailCharacters);
    const start = this.#sawData ? 0 : text.search(isBeginning ? firstData : nextData);
    if (start < 0) return;
    this.#sawData = true;
    this.#sawEvent = /\S[\r\n]/.test(text.slice(start));
  }

  /** Whether the answer has the form of a model's answer. */
  get isAnswer(): boolean {
    if (json.test(this.#head)) return true;
    return stream.test(this.#head) && this.#sawEvent;
  }

  /** The beginning of the answer. */
  get head(): string {
    return Buffer.from(this.#head, "latin1").toString();
  }

  get hasErrorEvent(): boolean {
    return stream.test(this.#head) && errorEvent.test(this.#head);
  }

  /** The message of an error, if the error has a known format. */
  get words(): string | undefined {
    const { head } = this;
    const relevantText = this.hasErrorEvent ? head.slice(Math.max(0, head.search(errorEvent))) : head;
    const text = this.hasErrorEvent ? (/data: ?(\{.*)/.exec(relevantText)?.[1] ?? "") : relevantText;
    try {
      const words = Words.safeParse(JSON.parse(text));
      return words.success ? words.data : undefined;
    } catch {
      return undefined;
    }
  }
}
