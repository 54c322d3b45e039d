import type { Writable } from "node:stream";
import { WharfError } from "@wharf/contract";

/**
 * A command's input, in pieces that come by requests of their own. Each may say where it begins, so one whose answer
 * was lost is sent again without harm. A piece is answered when the pipe has taken it; one at a time is on its way.
 */
export class CommandInput {
  readonly #pipe: Writable | null;
  #offset = 0;
  #last: Promise<void> = Promise.resolve();
  #ended: boolean;

  /** Without a pipe, or with `open` false, nothing more is taken behind the first piece. */
  constructor(pipe: Writable | null, { first, open }: { first: Buffer; open: boolean }) {
    this.#pipe = pipe;
    this.#ended = false;
    // Who started the command does not wait for it to read.
    if (first.length > 0) this.#enqueue(first);
    if (!open) this.#closePipe();
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  async write(data: Buffer, options: { offset?: number | undefined; end?: boolean } = {}): Promise<number> {
    const { offset = this.#offset, end = false } = options;
    if (offset > this.#offset)
      throw createOffsetError(`there are ${this.#offset} bytes of input, and these begin at ${offset}`);
    const newData = data.subarray(Math.min(data.length, this.#offset - offset));
    if (newData.length > 0) {
      if (this.#ended || !this.#pipe?.writable)
        throw new WharfError("conflict", { what: "command's input", from: "closed", to: "written to" });
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
          // A command that ends without reading takes its pipe along; its exit says how.
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
