import type { ClientRequest } from "node:http";
import { WharfError } from "@wharf/contract";

/** The gateway can resend a request of at most this size without asking the runner for it again. */
const maxReplayBytes = 512 * 1024;

/**
 * Streams a request's body at the speed of the slower side. A kept connection may turn out to be
 * dead just when it is used again; `restart` then resends the beginning over a new connection.
 */
export class Upload {
  readonly #maxBytes: number;
  readonly #onProgress: () => void;
  #sentChunks: Buffer[] | undefined = [];
  #target: ClientRequest;
  #bytes = 0;
  #ended = false;

  constructor(target: ClientRequest, { maxBytes, onProgress }: { maxBytes: number; onProgress: () => void }) {
    this.#target = target;
    this.#maxBytes = maxBytes;
    this.#onProgress = onProgress;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Settles when the body has been read to its end. */
  async run(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of body) {
      this.#bytes += chunk.length;
      this.#onProgress();
      if (this.#bytes > this.#maxBytes) throw new WharfError("body_too_large", { limit_bytes: this.#maxBytes });
      if (this.#bytes > maxReplayBytes) this.#sentChunks = undefined;
      this.#sentChunks?.push(chunk);
      const target = this.#target;
      if (!target.destroyed && !target.write(chunk)) await waitUntilWritable(target);
    }
    this.#ended = true;
    this.#target.end();
  }

  get canRestart(): boolean {
    return this.#sentChunks !== undefined;
  }

  restart(target: ClientRequest): void {
    this.#target = target;
    for (const chunk of this.#sentChunks ?? []) target.write(chunk);
    if (this.#ended) target.end();
  }

  /** Called when the answer has begun: the body will not be needed again. */
  discardSentChunks(): void {
    this.#sentChunks = undefined;
  }
}

/** Resolves when the request accepts more, or is closed and ignores further writes. */
function waitUntilWritable(target: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      target.off("drain", finish).off("close", finish);
      resolve();
    };
    target.once("drain", finish).once("close", finish);
  });
}
