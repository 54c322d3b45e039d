export interface GitObject {
  readonly id: string;
  readonly type: string;
}

/** Receives the content of one object, in pieces. */
export interface ObjectSink {
  add(piece: Buffer): void;
  end(): void;
}

const newline = 0x0a;
const maxHeaderBytes = 256;

/** Parses the output of `git cat-file --batch` without ever holding a whole object. */
export class ObjectReader {
  readonly #openSink: (object: GitObject) => ObjectSink;
  #header = Buffer.alloc(0);
  #sink: ObjectSink | undefined;
  #remainingBytes = 0;

  constructor(openSink: (object: GitObject) => ObjectSink) {
    this.#openSink = openSink;
  }

  /** Whether the output ended with a complete object. */
  get isComplete(): boolean {
    return this.#sink === undefined && this.#header.length === 0;
  }

  addChunk(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#sink ? this.#readContent(rest, this.#sink) : this.#readHeader(rest);
  }

  #readHeader(chunk: Buffer): Buffer {
    const end = chunk.indexOf(newline);
    this.#header = Buffer.concat([this.#header, end < 0 ? chunk : chunk.subarray(0, end)]);
    if (this.#header.length > maxHeaderBytes) throw new Error("git sent an unreadable list of objects");
    if (end < 0) return chunk.subarray(chunk.length);
    const [, id, type, size] = /^([0-9a-f]{40,64}) (\w+) (\d+)$/.exec(this.#header.toString("latin1")) ?? [];
    if (id === undefined || type === undefined) throw new Error("git sent an unreadable list of objects");
    this.#header = Buffer.alloc(0);
    this.#remainingBytes = Number(size);
    this.#sink = this.#openSink({ id, type });
    return chunk.subarray(end + 1);
  }

  /** A newline follows the content. */
  #readContent(chunk: Buffer, sink: ObjectSink): Buffer {
    const piece = chunk.subarray(0, this.#remainingBytes);
    if (piece.length > 0) sink.add(piece);
    this.#remainingBytes -= piece.length;
    if (piece.length === chunk.length) return chunk.subarray(chunk.length);
    this.#sink = undefined;
    sink.end();
    return chunk.subarray(piece.length + 1);
  }
}
