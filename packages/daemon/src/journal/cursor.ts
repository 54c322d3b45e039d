import { open, type FileHandle } from "node:fs/promises";
import { JournalRecord, WharfError } from "@wharf/contract";
import { isSystemError } from "../file-system/files.ts";
import { parseLine } from "./line.ts";
import { getOffset, type JournalSegment } from "./segment.ts";

const chunkBytes = 128 * 1024;
const lineFeedByte = 0x0a;

/** JournalView is a cursor's live view of the journal. */
export interface JournalView {
  readonly segments: readonly JournalSegment[];
  /** Returns the sequence of the newest fsynced record. */
  readonly last: () => number;
}

/**
 * Reads records in order from the files. The cursor holds one file open, so a segment stays
 * readable when it is trimmed during reading.
 */
export class JournalCursor implements AsyncDisposable {
  #next: number;
  #position: { segment: JournalSegment; handle: FileHandle; offset: number } | undefined;
  readonly #source: JournalView;

  constructor(source: JournalView, afterSequence: number) {
    this.#source = source;
    this.#next = afterSequence + 1;
  }

  /** A record can be read now. */
  get ready(): boolean {
    return this.#next <= this.#source.last();
  }

  /** Returns the next batch of records, or none when all were read. */
  async readNext(): Promise<JournalRecord[]> {
    for (let chunk = chunkBytes; this.ready;) {
      const position = (this.#position ??= await this.#openSegment());
      const length = Math.min(chunk, position.segment.bytes - position.offset);
      if (length === 0) {
        await this.#close();
        continue;
      }
      const bytes = Buffer.allocUnsafe(length);
      await readFully(position.handle, bytes, position.offset);
      const records = this.#decodeRecords(bytes, position);
      if (records.length > 0) return records;
      // The chunk has no complete wanted record: the record is larger than the chunk, or all are
      // before the wanted one.
      if (position.offset + length < position.segment.bytes) chunk *= 2;
    }
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const position = this.#position;
    this.#position = undefined;
    await position?.handle.close();
  }

  async #openSegment(): Promise<{ segment: JournalSegment; handle: FileHandle; offset: number }> {
    const segment = this.#source.segments.findLast(({ first }) => first <= this.#next);
    if (!segment) throw this.#createTrimmedError();
    try {
      return { segment, handle: await open(segment.path, "r"), offset: getOffset(segment, this.#next) };
    } catch (error) {
      if (isSystemError(error, "ENOENT") && (this.#source.segments[0]?.first ?? 0) > this.#next)
        throw this.#createTrimmedError();
      throw error;
    }
  }

  #createTrimmedError(): WharfError {
    return new WharfError("journal_record_not_found", { seq: this.#next });
  }

  #decodeRecords(bytes: Buffer, position: { segment: JournalSegment; offset: number }): JournalRecord[] {
    const records: JournalRecord[] = [];
    let start = 0;
    for (let end = bytes.indexOf(lineFeedByte); end >= 0; end = bytes.indexOf(lineFeedByte, start)) {
      const line = parseLine(bytes.subarray(start, end));
      if (!line || line.seq > this.#next)
        throw new Error(
          `The journal's segment ${position.segment.path} is damaged near byte ${position.offset + start}`,
        );
      start = end + 1;
      if (line.seq < this.#next) continue;
      records.push(JournalRecord.parse(JSON.parse(line.json.toString())));
      this.#next += 1;
    }
    position.offset += start;
    return records;
  }
}

async function readFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let filledBytes = 0; filledBytes < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, filledBytes, bytes.length - filledBytes, position + filledBytes);
    if (bytesRead === 0) throw new Error("The journal's segment is shorter than what was fsynced");
    filledBytes += bytesRead;
  }
}
