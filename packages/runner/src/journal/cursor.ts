import { open, type FileHandle } from "node:fs/promises";
import { JournalRecord, WharfError } from "@wharf/contract";
import { isSystemError } from "../support/files.ts";
import { decodeLine } from "./line.ts";
import { offsetNear, type Segment } from "./segment.ts";

const CHUNK = 128 * 1024; // bytes
const LINE_FEED = 0x0a;

/** What a cursor sees of the journal; always as it is now. */
export interface Readable {
  readonly segments: readonly Segment[];
  /** Sequence of the newest fsynced record. */
  readonly last: () => number;
}

/** Reads records in order from the files. It holds one open file, so a segment trimmed while it is read stays readable. */
export class Cursor implements AsyncDisposable {
  #next: number;
  #at: { segment: Segment; handle: FileHandle; offset: number } | undefined;
  readonly #source: Readable;

  constructor(source: Readable, after: number) {
    this.#source = source;
    this.#next = after + 1;
  }

  /** Whether a record is ready to be taken now. */
  get ready(): boolean {
    return this.#next <= this.#source.last();
  }

  /** The next records, some at a time; none when all were taken. */
  async take(): Promise<JournalRecord[]> {
    for (let chunk = CHUNK; this.ready;) {
      const at = (this.#at ??= await this.#open());
      const length = Math.min(chunk, at.segment.bytes - at.offset);
      if (length === 0) {
        await this.#close();
        continue;
      }
      const bytes = Buffer.allocUnsafe(length);
      await readFully(at.handle, bytes, at.offset);
      const records = this.#decode(bytes, at);
      if (records.length > 0) return records;
      // Not one whole record in it: a record larger than the chunk, or only records before the wanted one.
      if (at.offset + length < at.segment.bytes) chunk *= 2;
    }
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const at = this.#at;
    this.#at = undefined;
    await at?.handle.close();
  }

  async #open(): Promise<{ segment: Segment; handle: FileHandle; offset: number }> {
    const segment = this.#source.segments.findLast(({ first }) => first <= this.#next);
    if (!segment) throw this.#trimmed();
    try {
      return { segment, handle: await open(segment.path, "r"), offset: offsetNear(segment, this.#next) };
    } catch (error) {
      if (isSystemError(error, "ENOENT") && (this.#source.segments[0]?.first ?? 0) > this.#next) throw this.#trimmed();
      throw error;
    }
  }

  #trimmed(): WharfError {
    return new WharfError("not_found", { what: "journal record", id: String(this.#next) });
  }

  #decode(bytes: Buffer, at: { segment: Segment; offset: number }): JournalRecord[] {
    const records: JournalRecord[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      const line = decodeLine(bytes.subarray(start, end));
      if (!line || line.seq > this.#next)
        throw new Error(`The journal's segment ${at.segment.path} is damaged near byte ${at.offset + start}`);
      start = end + 1;
      if (line.seq < this.#next) continue;
      records.push(JournalRecord.parse(JSON.parse(line.json.toString())));
      this.#next += 1;
    }
    at.offset += start;
    return records;
  }
}

async function readFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw new Error("The journal's segment is shorter than what was fsynced");
    done += bytesRead;
  }
}
