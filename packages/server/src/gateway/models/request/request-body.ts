import type { IncomingHttpHeaders } from "node:http";
import { WharfError } from "@wharf/contract";
import type { BodyMemory } from "./body-memory.ts";

export interface RequestBodyOptions {
  readonly runnerId: string;
  readonly maxBytes: number;
  readonly memory: BodyMemory;
}

/**
 * The body of a request to a model. The gateway forwards nothing before it knows what the request
 * asks for, so the body is complete first; it is kept until an answer begins, for another attempt.
 */
export class RequestBody {
  readonly #options: RequestBodyOptions;
  #chunks: Buffer[] = [];
  #heldBytes = 0;
  #bytes = 0;
  #isReleased = false;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
  }

  /** The bytes that have arrived. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Reads to the end; returns the whole body. */
  async read(source: AsyncIterable<Buffer>, onChunk: (chunk: Buffer) => void): Promise<Buffer> {
    const { maxBytes, memory, runnerId } = this.#options;
    for await (const chunk of source) {
      if (this.#isReleased) break;
      this.#bytes += chunk.length;
      if (this.#bytes > maxBytes) throw new WharfError("body_too_large", { limit_bytes: maxBytes });
      memory.reserve(runnerId, chunk.length);
      this.#heldBytes += chunk.length;
      this.#chunks.push(chunk);
      onChunk(chunk);
    }
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return body;
  }

  /** Called when the body will not be needed again. */
  release(): void {
    const { memory, runnerId } = this.#options;
    this.#isReleased = true;
    memory.release(runnerId, this.#heldBytes);
    this.#heldBytes = 0;
    this.#chunks = [];
  }
}

const identityEncodings = ["", "identity"];
/** Maximum length of a runner's text in an error. */
const maxNameLength = 40;

/** Refuses a body in a form in which the gateway could not read it. */
export function refuseUnreadableForm(headers: IncomingHttpHeaders): void {
  const encoding = (headers["content-encoding"] ?? "").toLowerCase().slice(0, maxNameLength);
  if (!identityEncodings.includes(encoding)) throw new WharfError("model_request_encoded", { encoding });
  const charset = /charset\s*=\s*["']?([^\s"';]*)/i.exec(headers["content-type"] ?? "")?.[1];
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset))
    throw new WharfError("model_request_encoded", { encoding: charset.slice(0, maxNameLength) });
}
