import type { OutputEncoding } from "@wharf/contract";
import { z } from "zod";
import { DividedTexts, type KnownSecrets, type ReadyItem, type SecretMatch } from "../../redaction/index.ts";

/** Any line waits behind an earlier one; no more lines and bytes than these wait. */
const maxWaitingLines = 200;
const maxWaitingBytes = 4 * 1024 * 1024;

/** An event with a part of a command's output. */
const Output = z.looseObject({ type: z.enum(["stdout", "stderr"]), data: z.string() });
const Exit = z.looseObject({ type: z.literal("exit") });

export interface OutputRedactorOptions {
  readonly secrets: KnownSecrets;
  readonly onMatch: (match: SecretMatch) => void;
  /** The encoding of the output in the events. */
  readonly encoding: OutputEncoding;
}

interface Line {
  readonly text: string;
  readonly event: unknown;
}

/**
 * Removes secrets from lines of JSON, also those that a command's output divides between several
 * events. An event that ends with more than three letters of a secret waits for the next one of the
 * same pipe.
 */
export class OutputRedactor {
  readonly #options: OutputRedactorOptions;
  readonly #texts: DividedTexts<Line>;
  #waitingBytes = 0;

  constructor(options: OutputRedactorOptions) {
    const { secrets, onMatch } = options;
    this.#options = options;
    this.#texts = new DividedTexts({ getMatcher: () => secrets.matcher, onMatch });
  }

  /** Takes the next line; returns those that can be passed on. */
  add(text: string): string[] {
    this.#addLine(this.#redactLine(text));
    this.#waitingBytes += text.length;
    const isFull = this.#texts.waitingCount > maxWaitingLines || this.#waitingBytes > maxWaitingBytes;
    return isFull || this.getRemainingWaitMs() === 0 ? this.release() : this.#takeReady();
  }

  /** Returns the lines that have waited for long enough. */
  release(): string[] {
    this.#texts.release();
    return this.#takeReady();
  }

  /** Returns the lines that wait when there are no more. */
  end(): string[] {
    this.#texts.endTexts();
    return this.#takeReady();
  }

  /** Returns how long the waiting lines may still wait; undefined if none does. */
  getRemainingWaitMs(): number | undefined {
    return this.#texts.getRemainingWaitMs();
  }

  #redactLine(text: string): Line {
    const { secrets, onMatch } = this.#options;
    const event: unknown = JSON.parse(text);
    const redacted = secrets.redactJson(event, onMatch);
    return { text: redacted === event ? text : JSON.stringify(redacted), event: redacted };
  }

  #addLine(line: Line): void {
    const { data: output } = Output.safeParse(line.event);
    const { encoding } = this.#options;
    this.#texts.add(line, output && { stream: output.type, bytes: Buffer.from(output.data, encoding) });
    if (Exit.safeParse(line.event).success) this.#texts.endTexts();
  }

  #takeReady(): string[] {
    const lines = this.#texts.takeReady().map((ready) => this.#toText(ready));
    if (this.#texts.waitingCount === 0) this.#waitingBytes = 0;
    return lines;
  }

  #toText({ item, bytes }: ReadyItem<Line>): string {
    if (bytes === undefined) return item.text;
    const output = Output.parse(item.event);
    const { encoding } = this.#options;
    if (bytes.equals(Buffer.from(output.data, encoding))) return item.text;
    return JSON.stringify({ ...output, data: bytes.toString(encoding) });
  }
}
