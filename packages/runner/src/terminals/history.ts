import { randomUUID } from "node:crypto";
import { Ring, type RingPiece, spanOf } from "../ring/index.ts";
import {
  type AttachQuery,
  type EntryType,
  type TerminalEntry,
  type TerminalEvent,
  type TerminalGap,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import { numberOf, pieceOf, type Notice, noticeData } from "./entry.ts";
import { Viewer } from "./viewer.ts";

/** Of one page of history. */
const PAGE_BYTES = 1024 * 1024;
const MOST_VIEWERS = 256;
/** How long a viewer may be silent that has a window full of lines. */
const STALL_AFTER = 10_000; // ms

export interface HistoryOptions {
  readonly folder: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly onFault: (error: unknown) => void;
  /** Something was appended, or someone saw more, came or went. */
  readonly onChange?: (() => void) | undefined;
  readonly stallAfter?: number | undefined; // ms
  /** The last line for those who have read it all. */
  readonly ending: () => TerminalEvent;
}

export interface AttachOptions {
  readonly query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">;
  readonly greeting: (viewer: string) => TerminalEvent;
}

type HistoryStats = Omit<TerminalStats, "terminal_id" | "state" | "paused">;

/** What a terminal showed, and those who look on. */
export class History {
  readonly ring: Ring;
  readonly #options: HistoryOptions;
  readonly #viewers = new Map<string, Viewer>();
  #attached = 0;
  #detached = 0;
  /** Who has not read beyond this offset missed what was cleared, and is not slow. */
  #clearedAt = 0;

  private constructor(ring: Ring, options: HistoryOptions) {
    this.ring = ring;
    this.#options = options;
  }

  static async open(options: HistoryOptions): Promise<{ history: History; damaged: boolean }> {
    const { ring, damaged } = await Ring.open(options);
    return { history: new History(ring, options), damaged };
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** How far the fastest of those is who have caught up once; nothing where there is none. */
  get fastest(): number | undefined {
    let fastest: number | undefined;
    for (const { isLive, seen } of this.#viewers.values()) if (isLive) fastest = Math.max(fastest ?? 0, seen);
    return fastest;
  }

  append(type: EntryType, data: Buffer): void {
    this.ring.append(numberOf(type), data);
    for (const viewer of this.#viewers.values())
      if (viewer.isOvertaken && this.ring.first > this.#clearedAt) this.#detach(viewer);
    this.#options.onChange?.();
  }

  notice(notice: Notice): void {
    this.append("system", noticeData(notice));
  }

  has(viewer: string): boolean {
    return this.#viewers.has(viewer);
  }

  attach({ query, greeting }: AttachOptions): Viewer {
    if (this.#viewers.size >= MOST_VIEWERS)
      throw new WharfError("conflict", { what: "terminal", from: `watched by ${MOST_VIEWERS}`, to: "watched by more" });
    const { ring } = this;
    const id = query.viewer_id ?? randomUUID();
    const viewer: Viewer = new Viewer({
      id,
      ring,
      after: query.after ?? (query.history ? ring.first : ring.end),
      acknowledges: query.flow === "ack",
      greeting: () => greeting(id),
      ending: this.#options.ending,
      onProgress: () => this.#options.onChange?.(),
      onStall: () => this.stalled(viewer),
      stallAfter: this.#options.stallAfter ?? STALL_AFTER,
    });
    // Who comes again under its name before the loss of its wire was noticed is the same.
    this.#viewers.get(id)?.detach("replaced");
    this.#viewers.set(id, viewer);
    this.#attached += 1;
    this.#options.onChange?.();
    return viewer;
  }

  /** Whether it was this one that left, and no one came in its place. */
  leave(viewer: Viewer): boolean {
    if (this.#viewers.get(viewer.id) !== viewer) return false;
    this.#viewers.delete(viewer.id);
    this.#options.onChange?.();
    return true;
  }

  ack(viewer: string, offset: number): void {
    const found = this.#viewers.get(viewer);
    if (!found) throw new WharfError("not_found", { what: "viewer", id: viewer });
    found.ack(offset);
  }

  tellAll(event: TerminalEvent): void {
    for (const viewer of this.#viewers.values()) viewer.tell(event);
  }

  /** Lets go of those who see nothing more and hold up the program with it. */
  detachQuiet(ms: number): void {
    for (const viewer of this.#viewers.values()) if (viewer.isLive && viewer.quietFor >= ms) this.#detach(viewer);
    this.#options.onChange?.();
  }

  detachAll(reason: "removed" | "daemon_stops"): void {
    for (const viewer of this.#viewers.values()) viewer.detach(reason);
  }

  stalled(viewer: Viewer): void {
    if (this.#viewers.get(viewer.id) === viewer) this.#detach(viewer);
  }

  async page(
    after: number | undefined,
    limit: number,
  ): Promise<{
    entries: (TerminalEntry | TerminalGap)[];
    next: number;
    has_more: boolean;
    first: number;
    end: number;
  }> {
    const { first, end } = this.ring;
    const cursor = this.ring.cursor(after ?? first);
    const entries: (TerminalEntry | TerminalGap)[] = [];
    let next = cursor.position;
    let bytes = 0;
    while (entries.length < limit && bytes < PAGE_BYTES) {
      const pieces = await cursor.next(PAGE_BYTES - bytes);
      if (pieces.length === 0) break;
      for (const piece of pieces.slice(0, limit - entries.length)) {
        const entry = pieceOf(piece);
        entries.push(entry);
        next = entry.type === "gap" ? entry.to : entry.next;
        bytes += sizeOf(piece);
      }
    }
    return { entries, next, has_more: next < this.ring.end, first, end };
  }

  stats(): HistoryStats {
    const { ring } = this;
    const { maxEntries, maxBytes } = ring.limits;
    return {
      entries: ring.entries,
      bytes: ring.bytes,
      max_entries: maxEntries,
      max_bytes: maxBytes,
      usage: Math.max(ring.entries / maxEntries, ring.bytes / maxBytes),
      first: ring.first,
      end: ring.end,
      dropped_entries: ring.dropped,
      dropped_bytes: ring.end - ring.bytes,
      viewers: this.#viewers.size,
      attached: this.#attached,
      detached: this.#detached,
    };
  }

  async clear(): Promise<void> {
    this.#clearedAt = this.ring.end;
    await this.ring.clear(numberOf("system"), noticeData({ text: "The history was cleared.", notice: "clear" }));
  }

  #detach(viewer: Viewer): void {
    viewer.detach("slow");
    if (this.leave(viewer)) this.#detached += 1;
  }
}

const sizeOf = (piece: RingPiece): number => ("gap" in piece ? 1 : spanOf(piece.entry.data));
