import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { toWharfError } from "@wharf/contract";
import { encodeLine } from "./line.ts";
import { createSegment } from "./recovery.ts";
import { addMark, type JournalSegment } from "./segment.ts";

const firstRetryMs = 50;
const maxRetryMs = 1_000;

export interface PendingRecord {
  readonly seq: number;
  readonly json: string;
}

/**
 * Appends groups of records to the newest segment and fsyncs each group; on a full or failing disk,
 * retries until it accepts them.
 */
export class SegmentWriter {
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #segments: JournalSegment[];
  #handle: FileHandle | undefined;
  #fault: Error | undefined;

  /** Shares the list with the readers; new segments are added at its end. */
  constructor(options: { folder: string; segmentBytes: number; segments: JournalSegment[] }) {
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes;
    this.#segments = options.segments;
  }

  /** Returns the error that currently prevents the disk from accepting records. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Resolves when the group is on disk. Rejects only when the signal ends the retries. */
  async write(group: readonly PendingRecord[], options: { onFault: () => void; signal: AbortSignal }): Promise<void> {
    const lines = group.map(({ json }, position) => Buffer.from(encodeLine(json, position === 0)));
    const bytes = Buffer.concat(lines);
    for (let wait = firstRetryMs; ; wait = Math.min(wait * 2, maxRetryMs)) {
      try {
        const segment = await this.#getActiveSegment(group[0]?.seq ?? 1);
        await this.#writeBytes(bytes, segment);
        this.#fault = undefined;
        let offset = segment.bytes;
        for (const [position, { seq }] of group.entries()) {
          addMark(segment.marks, { seq, offset });
          offset += lines[position]?.length ?? 0;
        }
        segment.bytes = offset;
        return;
      } catch (error) {
        // Rewrite the whole group: after a failed fsync the kernel may have dropped its pages.
        this.#fault = toWharfError(error, "journal");
        options.onFault();
        await this.close();
        await sleep(wait, undefined, { signal: options.signal });
      }
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #getActiveSegment(seq: number): Promise<JournalSegment> {
    const newest = this.#segments.at(-1);
    if (newest && newest.bytes < this.#segmentBytes) return newest;
    await this.close();
    const segment = await createSegment(this.#folder, seq, newest ? newest.base + newest.bytes : 0);
    this.#segments.push(segment);
    return segment;
  }

  async #writeBytes(bytes: Buffer, segment: JournalSegment): Promise<void> {
    const handle = (this.#handle ??= await open(segment.path, "r+"));
    for (let writtenCount = 0; writtenCount < bytes.length;) {
      const { bytesWritten } = await handle.write(
        bytes,
        writtenCount,
        bytes.length - writtenCount,
        segment.bytes + writtenCount,
      );
      writtenCount += bytesWritten;
    }
    await handle.datasync();
  }
}
