import { randomUUID } from "node:crypto";
import type pg from "pg";
import { ChangeBatch, type Changes, encodeChanges, parseChanges } from "./changes.ts";
import { ListeningConnection } from "./listening-connection.ts";

/**
 * Interval for which changes are collected before they are sent, because each commit of a NOTIFY
 * waits for the one before it.
 */
const flushIntervalMs = 10;
/** How long a process that stops waits for its last changes to be sent. */
const lastFlushTimeoutMs = 1_000;

export interface NotificationsOptions {
  readonly connection: pg.ClientConfig;
  /** Called when the listening connection breaks. The connection is opened again. */
  readonly onError: (error: Error) => void;
}

/** A part of this process that follows what other processes on the database change. */
export interface ChangeSubscriber {
  /** A task's log has grown to this sequence. */
  onTask?(taskId: string, lastSeq: number): void;
  /** A subscriber of this name has work to do; without a name, every subscriber. */
  onWakeup?(name?: string): void;
  /** Notifications may have been lost: read on from the cursor. */
  onMissed?(): void;
}

/**
 * Publishes the changes of this process to the other processes on the database, and receives their
 * changes, with LISTEN and NOTIFY. A notification is a hint and may be lost: it names the changed
 * rows, and a process that did not listen for a while checks everything. A process ignores its own
 * notifications.
 */
export class Notifications implements AsyncDisposable {
  readonly #name = randomUUID();
  readonly #subscribers = new Set<ChangeSubscriber>();
  readonly #connection: ListeningConnection;
  #pendingChanges = new ChangeBatch();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #flushedAt = 0;

  constructor({ connection, onError }: NotificationsOptions) {
    this.#connection = new ListeningConnection({
      connection,
      onPayload: (payload) => this.#deliver(parseChanges(this.#name, payload)),
      onListening: () => {
        for (const subscriber of this.#subscribers) subscriber.onMissed?.();
        this.#scheduleFlush();
      },
      onError,
    });
  }

  subscribe(subscriber: ChangeSubscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  publishTask(taskId: string, lastSeq: number): void {
    this.#pendingChanges.addTask(taskId, lastSeq);
    this.#scheduleFlush();
  }

  publishWakeup(name?: string): void {
    if (name === undefined) this.#pendingChanges.everyone = true;
    else this.#pendingChanges.addName(name);
    this.#scheduleFlush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    const expiry = Promise.withResolvers<void>();
    const timer = setTimeout(expiry.resolve, lastFlushTimeoutMs);
    await Promise.race([(this.#flushing ?? Promise.resolve()).then(() => this.#flush()), expiry.promise]);
    clearTimeout(timer);
    await this.#connection[Symbol.asyncDispose]();
  }

  #deliver(changes: Changes | undefined): void {
    if (!changes) return;
    for (const { onTask, onWakeup, onMissed } of this.#subscribers) {
      for (const [taskId, lastSeq] of changes.tasks) onTask?.(taskId, lastSeq);
      for (const name of changes.names) onWakeup?.(name);
      if (changes.everyone) onWakeup?.();
      if (changes.missed) onMissed?.();
    }
  }

  /**
   * The first change after a quiet period is sent at once, the next ones together. While the
   * connection is broken they wait.
   */
  #scheduleFlush(): void {
    if (this.#timer || this.#flushing || this.#pendingChanges.isEmpty || !this.#connection.isListening) return;
    const delayMs = Math.max(0, this.#flushedAt + flushIntervalMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined;
        this.#scheduleFlush();
      });
    }, delayMs);
  }

  async #flush(): Promise<void> {
    if (this.#pendingChanges.isEmpty || !this.#connection.isListening) return;
    const batch = this.#pendingChanges;
    this.#pendingChanges = new ChangeBatch();
    try {
      await this.#connection.send(encodeChanges(this.#name, batch));
    } catch {
      // The connection broke, and reports that itself: the next connection sends these changes.
      this.#pendingChanges.addAll(batch);
    } finally {
      this.#flushedAt = performance.now();
    }
  }
}
