import { type Envelope, isWharfError, type TaskSummary } from "@wharf/client";
import { formatError, LiveStream, wharf } from "../../api/index.ts";
import { applyEvent } from "./apply-event.ts";
import { type Card, idle, type LiveState } from "./card.ts";
import { readLiveState } from "./read-live-state.ts";

/** Tasks that changed in a way that events do not describe are read together. */
const refreshDelayMs = 150;
/** With more of them, reading the list again is cheaper. */
const maxSingleReads = 20;
/** Frames stand still in hidden pages, whose title has to go on counting. */
const hiddenDelayMs = 1_000;

/**
 * The cards of one board, kept up to date by one stream.
 *
 * The stream is opened first and says at which cursor it begins; then the list is read. Events that
 * arrive in the meantime are applied to the list, so that nothing is missing. Some of them are
 * older than the list: the later ones, which the list already has, follow and lead to the same
 * result. After a broken connection the stream reads on at the last event's id. If the server no
 * longer has that event, everything is read again.
 */
export class BoardStore implements Disposable {
  readonly #boardId: string;
  readonly #stream: LiveStream;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #stale = new Set<string>();
  /** The tasks whose earlier work has been read. */
  readonly #read = new Set<string>();
  #cards = new Map<string, Card>();
  #cursor: string | undefined;
  /** Events that came while the list was read. */
  #waiting: Envelope[] | undefined = [];
  #version = 0;
  #isAnnounced = false;
  #refreshTimer = 0;
  #failure: string | undefined;

  constructor(boardId: string) {
    this.#boardId = boardId;
    const path = `/api/v1/boards/${encodeURIComponent(boardId)}/stream`;
    this.#stream = new LiveStream({
      getPath: () => (this.#cursor === undefined ? path : `${path}?after=${this.#cursor}`),
      onMessage: (message) => this.#handle(message as StreamMessage),
      onRefused: (code) => code === "cursor_expired" && this.#startAgain(),
    });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    window.clearTimeout(this.#refreshTimer);
    this.#stream[Symbol.dispose]();
  }

  /** The cards by the ids of their tasks, in the order in which the tasks were created. */
  get cards(): ReadonlyMap<string, Card> {
    return this.#cards;
  }

  /** Whether the cards have been read. */
  get isLoaded(): boolean {
    return this.#waiting === undefined;
  }

  /** Why the cards could not be read. */
  get failure(): string | undefined {
    return this.#failure;
  }

  readonly getVersion = (): number => this.#version;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reads once what happened to a task's work before the page was opened. */
  async readLiveState(task: TaskSummary): Promise<void> {
    if (this.#read.has(task.id)) return;
    this.#read.add(task.id);
    const { signal } = this.#stop;
    const live = await readLiveState(task, signal).catch(() => undefined);
    const card = this.#cards.get(task.id);
    if (live && card) this.#set({ ...card, live: joinLiveStates(live, card.live) });
  }

  /** Removes a question that was answered, before the event arrives. */
  closeQuestion(taskId: string, permissionId: string): void {
    const card = this.#cards.get(taskId);
    if (!card) return;
    const questions = card.live.questions.filter(({ permission_id }) => permission_id !== permissionId);
    this.#set({ ...card, live: { ...card.live, questions } });
  }

  /** Shows a task as an answer of the server has it, before the event arrives. */
  setTask(task: TaskSummary): void {
    const card = this.#cards.get(task.id);
    if (task.archived_at !== undefined) this.#remove(task.id);
    else this.#set({ task, live: card?.live ?? idle });
  }

  #handle(message: StreamMessage): void {
    if (message.type === "subscribed") {
      if (this.#cursor === undefined) void this.#load();
      this.#cursor ??= message.cursor;
      return;
    }
    if (!("source" in message)) return;
    this.#cursor = message.id;
    if (this.#waiting) this.#waiting.push(message);
    else this.#apply(message);
  }

  async #load(): Promise<void> {
    const { signal } = this.#stop;
    try {
      const cards = new Map<string, Card>();
      const tasks = wharf.tasks.iterateBoardTasks(this.#boardId, { limit: 1_000 }, { signal });
      for await (const task of tasks) cards.set(task.id, { task, live: this.#cards.get(task.id)?.live ?? idle });
      this.#cards = cards;
      this.#failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      const { message, next } = formatError(error);
      this.#failure = `${message} ${next}`;
      this.#announce();
      return;
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const envelope of waiting) this.#apply(envelope);
    this.#announce();
  }

  #startAgain(): void {
    this.#cursor = undefined;
    this.#waiting = [];
    this.#read.clear();
  }

  #apply(envelope: Envelope): void {
    const { task_id: id } = envelope.data;
    if (envelope.type === "task.deleted") return this.#remove(id);
    const card = this.#cards.get(id);
    const update = envelope.data.data?.kind === "update" ? envelope.data.data : undefined;
    const isDescribed = update === undefined || update.fields.every((field) => field in update.values);
    if (update?.values["archived_at"] !== undefined) return this.#remove(id);
    if (card) this.#set(applyEvent(card, envelope));
    if (!isDescribed || (!card && envelope.type.startsWith("task."))) this.#refresh(id);
  }

  #refresh(taskId: string): void {
    this.#stale.add(taskId);
    window.clearTimeout(this.#refreshTimer);
    this.#refreshTimer = window.setTimeout(() => void this.#readStale(), refreshDelayMs);
  }

  async #readStale(): Promise<void> {
    const ids = [...this.#stale];
    this.#stale.clear();
    if (ids.length > maxSingleReads) {
      this.#waiting ??= [];
      return this.#load();
    }
    await Promise.all(ids.map((id) => this.#readTask(id)));
  }

  async #readTask(id: string): Promise<void> {
    const { signal } = this.#stop;
    try {
      const { description: _description, metadata: _metadata, ...task } = await wharf.tasks.getTask(id, {}, { signal });
      this.setTask(task);
    } catch (error) {
      if (isWharfError(error, "task_not_found")) this.#remove(id);
      else if (!signal.aborted) this.#refresh(id);
    }
  }

  #set(card: Card): void {
    this.#cards.set(card.task.id, card);
    this.#announce();
  }

  #remove(taskId: string): void {
    if (this.#cards.delete(taskId)) this.#announce();
  }

  /** Notifies subscribers once per frame, however many events came. */
  #announce(): void {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    const notify = () => {
      this.#isAnnounced = false;
      this.#version++;
      for (const listener of this.#listeners) listener();
    };
    if (document.hidden) window.setTimeout(notify, hiddenDelayMs);
    else requestAnimationFrame(notify);
  }
}

/** The server checks what it sends against the contract. */
type StreamMessage = Envelope | { readonly type: "subscribed"; readonly cursor: string };

/** Events are newer than what was read. */
const joinLiveStates = (read: Partial<LiveState>, live: LiveState): LiveState => ({
  ...read,
  ...Object.fromEntries(Object.entries(live).filter(([, value]) => value !== undefined)),
  questions: live.questions.length > 0 ? live.questions : (read.questions ?? []),
});
