import type { Writable } from "node:stream";
import { WharfError } from "@wharf/contract";

/**
 * Passes input to a command in pieces, which arrive by separate requests. Each piece may name its
 * offset, so a client can safely resend a piece whose response was lost. A piece is acknowledged
 * when the pipe has accepted it; only one piece is in flight at a time.
 */
export class CommandInput {
  readonly #pipe: Writable | null;
  #offset = 0;
  #last: Promise<void> = Promise.resolve();
  #ended: boolean;

  /** Without a pipe, or with `open` false, the input ends after the first piece. */
  constructor(pipe: Writable | null, { first, open }: { first: Buffer; open: boolean }) {
    this.#pipe = pipe;
    this.#ended = false;
    // The start request does not wait until the command reads its input.
    if (first.length > 0) this.#enqueue(first);
    if (!open) this.#closePipe();
  }

  /** Counts the accepted bytes. */
  get offset(): number {
    return this.#offset;
  }

  async write(data: Buffer, options: { offset?: number | undefined; end?: boolean } = {}): Promise<number> {
    const { offset = this.#offset, end = false } = options;
    if (offset > this.#offset)
      throw createOffsetError(
        `the command has received ${this.#offset} bytes of input, so the next data cannot begin at ${offset}`,
      );
    const newData = data.subarray(Math.min(data.length, this.#offset - offset));
    if (newData.length > 0) {
      if (this.#ended || !this.#pipe?.writable) throw new WharfError("stdin_closed", {});
      this.#enqueue(newData);
    }
    if (end) this.#closePipe();
    await this.#last;
    return this.#offset;
  }

  #enqueue(data: Buffer): void {
    this.#offset += data.length;
    const previous = this.#last;
    this.#last = previous.then(
      () =>
        new Promise<void>((resolve) => {
          const pipe = this.#pipe;
          if (!pipe?.writable) return resolve();
          // A command that ends without reading closes its pipe; its exit reports how it ended.
          pipe.once("close", resolve);
          pipe.write(data, () => {
            pipe.off("close", resolve);
            resolve();
          });
        }),
    );
  }

  #closePipe(): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#last.then(() => this.#pipe?.end());
  }
}

const createOffsetError = (message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path: "offset", message }] });
