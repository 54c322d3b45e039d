import { WharfError } from "@wharf/contract";
import { Channel } from "../channel.ts";

/** A simulated command's input, in pieces that come by requests of their own. A piece that comes twice is taken once. */
export class MockInput {
  readonly bytes = new Channel<Buffer>();
  #offset = 0;
  #ended = false;

  constructor(first: Buffer, open: boolean) {
    if (first.length > 0) void this.#put(first);
    if (!open) this.end();
  }

  get offset(): number {
    return this.#offset;
  }

  /** Resolves when the command has taken nearly all of it, or wants no more. */
  async write(
    data: Buffer,
    { offset = this.#offset, end }: { offset?: number | undefined; end: boolean },
  ): Promise<void> {
    if (offset > this.#offset)
      throw new WharfError("bad_request", {
        issues: [{ path: "offset", message: `there are ${this.#offset} bytes of input, and these begin at ${offset}` }],
      });
    const fresh = data.subarray(Math.min(data.length, this.#offset - offset));
    if (fresh.length > 0 && this.#ended)
      throw new WharfError("conflict", { what: "command's input", from: "closed", to: "written to" });
    const taken = fresh.length > 0 ? this.#put(fresh) : undefined;
    if (end) this.end();
    await taken;
  }

  end(): void {
    this.#ended = true;
    this.bytes.end();
  }

  async #put(data: Buffer): Promise<void> {
    this.#offset += data.length;
    await this.bytes.put(data);
  }
}
