import type { Readable } from "node:stream";

/**
 * The head of a push: its commands, before any object. The server parses the head strictly before
 * git sees a byte of it, so that only one update of the task's own branch ever reaches the mirror.
 * The grammar is a narrow part of git's: `shallow` lines, at most one command, a flush. The parser
 * refuses anything else.
 */
export interface PushHead {
  /** The bytes read so far, to be passed on unchanged; they may hold the beginning of the pack. */
  readonly bytes: Buffer;
  /** Missing when git only probes whether it may push. */
  readonly command?: PushCommand;
  readonly capabilities: readonly string[];
}

export interface PushCommand {
  readonly old: string;
  readonly new: string;
  readonly ref: string;
}

/**
 * The head of a push is invalid. `refs` holds the requested refs, as far as they could be parsed.
 */
export class PushRefused extends Error {
  readonly refs: readonly string[];
  readonly capabilities: readonly string[];
  constructor(message: string, refs: readonly string[] = [], capabilities: readonly string[] = []) {
    super(message);
    this.name = "PushRefused";
    this.refs = refs;
    this.capabilities = capabilities;
  }
}

const maxHeadBytes = 64 * 1024;
const commandLine = /^((?:[0-9a-f]{40}|[0-9a-f]{64})) ((?:[0-9a-f]{40}|[0-9a-f]{64})) ([^\0\n]+)$/;
const shallowLine = /^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Reads up to the flush that ends the commands, and leaves the stream paused after it. */
export async function readPushHead(body: Readable): Promise<PushHead> {
  const head = new PushHeadReader();
  while (!head.isWhole) {
    if (head.bytes.length > maxHeadBytes) throw new PushRefused("the push has too many commands");
    const chunk = await readChunk(body);
    if (!chunk) throw new PushRefused("the push ended before its commands were complete");
    head.addChunk(chunk);
  }
  return { bytes: head.bytes, ...parseCommands(head.lines) };
}

/**
 * Reads the pkt-lines before the first flush. The reader scans each byte once, however small the
 * chunks are.
 */
class PushHeadReader {
  readonly lines: string[] = [];
  isWhole = false;
  #space = Buffer.alloc(4 * 1024);
  #length = 0;
  #offset = 0;

  get bytes(): Buffer {
    return this.#space.subarray(0, this.#length);
  }

  addChunk(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#space.length)
      this.#space = Buffer.concat([this.bytes], Math.max(length, 2 * this.#space.length));
    chunk.copy(this.#space, this.#length);
    this.#length = length;
    this.#splitLines();
  }

  #splitLines(): void {
    while (!this.isWhole && this.#offset + 4 <= this.#length) {
      const header = this.#space.toString("latin1", this.#offset, this.#offset + 4);
      this.isWhole = header === "0000";
      if (this.isWhole) return;
      const length = /^[0-9a-f]{4}$/i.test(header) ? Number.parseInt(header, 16) : 0;
      if (length <= 4) throw new PushRefused("the push does not follow git's protocol");
      const end = this.#offset + length;
      if (end > this.#length) return;
      this.lines.push(this.#space.toString("utf8", this.#offset + 4, end).replace(/\n$/, ""));
      this.#offset = end;
    }
  }
}

function parseCommands(lines: readonly string[]): { command?: PushCommand; capabilities: string[] } {
  const commandLines = lines.filter((line) => !shallowLine.test(line));
  const [first = "", features = ""] = (commandLines[0] ?? "").split("\0");
  const capabilities = features.split(" ").filter(Boolean);
  if (commandLines.length === 0) return { capabilities };

  const texts = [first, ...commandLines.slice(1)];
  const commands = texts.map((text) => commandLine.exec(text));
  const refs = commands.flatMap((match) => match?.[3] ?? []);
  if (commands.includes(null)) throw new PushRefused("the push does not follow git's protocol", refs, capabilities);
  if (commands.length > 1) throw new PushRefused("a push may contain one branch and nothing else", refs, capabilities);
  const [, old = "", sha = "", ref = ""] = commands[0] ?? [];
  return { command: { old, new: sha, ref }, capabilities };
}

function readChunk(body: Readable): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const removeListeners = () => {
      body.off("readable", readAvailable).off("end", handleEnd).off("error", handleError).off("close", handleEnd);
    };
    const readAvailable = () => {
      const chunk = body.read() as Buffer | null;
      if (chunk === null) return;
      removeListeners();
      resolve(chunk);
    };
    const handleEnd = () => {
      removeListeners();
      resolve(undefined);
    };
    const handleError = (error: Error) => {
      removeListeners();
      reject(error);
    };
    if (body.readableEnded || body.destroyed) {
      resolve(undefined);
      return;
    }
    body.on("readable", readAvailable).on("end", handleEnd).on("error", handleError).on("close", handleEnd);
    readAvailable();
  });
}

const createPacketLine = (text: string | Buffer): Buffer => {
  const content = Buffer.from(text);
  return Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, "0")), content]);
};
const flush = Buffer.from("0000");

/**
 * Creates a refusal in git's own format, so that a person sees the reason and not a status code.
 */
export function createRefusalReport({ message, refs, capabilities }: PushRefused): Buffer {
  const status = [
    createPacketLine("unpack ok\n"),
    ...refs.slice(0, 20).map((ref) => createPacketLine(`ng ${ref.slice(0, 200)} ${message}\n`)),
    flush,
  ];
  const report = Buffer.concat(status);
  const sideband = capabilities.includes("side-band-64k");
  if (!sideband) return report;
  const words = createPacketLine(Buffer.concat([Buffer.from([2]), Buffer.from(`wharf: ${message}\n`)]));
  return Buffer.concat([words, createPacketLine(Buffer.concat([Buffer.from([1]), report])), flush]);
}
