import { randomUUID } from "node:crypto";
import {
  type AttachQuery,
  type EntryType,
  type TerminalEntry,
  type TerminalEvent,
  type TerminalGap,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import { Ring, type RingPiece, getDataSpan } from "../ring/index.ts";
import { getTypeNumber, toTerminalPiece, type NoticeData, encodeNotice } from "./terminal-entry.ts";
import { Viewer } from "./viewer.ts";

/** Limits one page of history. */
const pageBytes = 1024 * 1024;
const maxViewers = 256;
/** A viewer with a full window of unseen lines may be silent for this long. */
const stallTimeoutMs = 10_000;

export interface HistoryOptions {
  readonly folder: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly onFault: (error: unknown) => void;
  /** Runs after the history grew, a viewer saw more, or a viewer came or left. */
  readonly onChange?: (() => void) | undefined;
  readonly stallAfter?: number | undefined; // ms
  /** Creates the last line for viewers that have read everything. */
  readonly createEnding: () => TerminalEvent;
}

export interface AttachOptions {
  readonly query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">;
  readonly createGreeting: (viewer: string) => TerminalEvent;
}

type HistoryStats = Omit<TerminalStats, "terminal_id" | "state" | "paused">;

/** Holds a terminal's output and its viewers. */
export class TerminalHistory {
  readonly ring: Ring;
  readonly #options: HistoryOptions;
  readonly #viewers = new Map<string, Viewer>();
  #attached = 0;
  #detached = 0;
  /** A viewer that has not read beyond this offset missed cleared entries, and is not slow. */
  #clearedOffset = 0;

  private constructor(ring: Ring, options: HistoryOptions) {
    this.ring = ring;
    this.#options = options;
  }

  static async open(options: HistoryOptions): Promise<{ history: TerminalHistory; damaged: boolean }> {
    const { ring, damaged } = await Ring.open(options);
    return { history: new TerminalHistory(ring, options), damaged };
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /**
   * Returns the offset of the fastest viewer that has caught up once, or undefined without such
   * viewers.
   */
  get fastest(): number | undefined {
    let fastest: number | undefined;
    for (const { isLive, seenOffset } of this.#viewers.values())
      if (isLive) fastest = Math.max(fastest ?? 0, seenOffset);
    return fastest;
  }

  append(type: EntryType, data: Buffer): void {
    this.ring.append(getTypeNumber(type), data);
    for (const viewer of this.#viewers.values())
      if (viewer.isOvertaken && this.ring.first > this.#clearedOffset) this.#detachSlow(viewer);
    this.#options.onChange?.();
  }

  appendNotice(notice: NoticeData): void {
    this.append("system", encodeNotice(notice));
  }

  hasViewer(viewer: string): boolean {
    return this.#viewers.has(viewer);
  }

  attach({ query, createGreeting }: AttachOptions): Viewer {
    if (this.#viewers.size >= maxViewers) throw new WharfError("too_many_viewers", { limit: maxViewers });
    const { ring } = this;
    const id = query.viewer_id ?? randomUUID();
    const viewer: Viewer = new Viewer({
      id,
      ring,
      after: query.after ?? (query.history ? ring.first : ring.end),
      acknowledges: query.flow === "ack",
      createGreeting: () => createGreeting(id),
      createEnding: this.#options.createEnding,
      onProgress: () => this.#options.onChange?.(),
      onStall: () => this.detachStalled(viewer),
      stallAfter: this.#options.stallAfter ?? stallTimeoutMs,
    });
    // A viewer that reconnects under its name, before the loss of its wire was noticed, replaces
    // itself.
    this.#viewers.get(id)?.detach("replaced");
    this.#viewers.set(id, viewer);
    this.#attached += 1;
    this.#options.onChange?.();
    return viewer;
  }

  /** Returns false if another viewer has already replaced this one. */
  removeViewer(viewer: Viewer): boolean {
    if (this.#viewers.get(viewer.id) !== viewer) return false;
    this.#viewers.delete(viewer.id);
    this.#options.onChange?.();
    return true;
  }

  acknowledge(viewer: string, offset: number): void {
    const attachedViewer = this.#viewers.get(viewer);
    if (!attachedViewer) throw new WharfError("viewer_not_found", { id: viewer });
    attachedViewer.acknowledge(offset);
  }

  broadcast(event: TerminalEvent): void {
    for (const viewer of this.#viewers.values()) viewer.send(event);
  }

  /** Detaches viewers that see nothing more and thereby block the program. */
  detachIdleViewers(ms: number): void {
    for (const viewer of this.#viewers.values()) if (viewer.isLive && viewer.idleMs >= ms) this.#detachSlow(viewer);
    this.#options.onChange?.();
  }

  detachAll(reason: "removed" | "daemon_stops"): void {
    for (const viewer of this.#viewers.values()) viewer.detach(reason);
  }

  detachStalled(viewer: Viewer): void {
    if (this.#viewers.get(viewer.id) === viewer) this.#detachSlow(viewer);
  }

  async getPage(
    startOffset: number | undefined,
    limit: number,
  ): Promise<{
    entries: (TerminalEntry | TerminalGap)[];
    next: number;
    has_more: boolean;
    first: number;
    end: number;
  }> {
    const { first, end } = this.ring;
    const cursor = this.ring.createCursor(startOffset ?? first);
    const entries: (TerminalEntry | TerminalGap)[] = [];
    let next = cursor.position;
    let bytes = 0;
    while (entries.length < limit && bytes < pageBytes) {
      const pieces = await cursor.readNext(pageBytes - bytes);
      if (pieces.length === 0) break;
      for (const piece of pieces.slice(0, limit - entries.length)) {
        const entry = toTerminalPiece(piece);
        entries.push(entry);
        next = entry.type === "gap" ? entry.to : entry.next;
        bytes += getSize(piece);
      }
    }
    return { entries, next, has_more: next < this.ring.end, first, end };
  }

  getStats(): HistoryStats {
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
    this.#clearedOffset = this.ring.end;
    await this.ring.clear(getTypeNumber("system"), encodeNotice({ text: "The history was cleared.", notice: "clear" }));
  }

  #detachSlow(viewer: Viewer): void {
    viewer.detach("slow");
    if (this.removeViewer(viewer)) this.#detached += 1;
  }
}

const getSize = (piece: RingPiece): number => ("gap" in piece ? 1 : getDataSpan(piece.entry.data));
