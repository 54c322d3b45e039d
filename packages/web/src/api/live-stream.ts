import { isWharfError } from "@wharf/client";
import { wharf } from "./client.ts";
import { connections, type ConnectionState } from "./connections.ts";

const firstDelayMs = 250;
const maxDelayMs = 5_000;
const heartbeatIntervalMs = 3_000;
/** A connection that has not answered a heartbeat for this long is dead. */
const maxSilenceMs = 5_000;

export interface LiveStreamOptions {
  /** Returns the path of the stream, with the cursor at which to read on. */
  readonly getPath: () => string;
  /** Returns what is sent whenever the stream opens, such as what it is to follow. */
  readonly getFirstMessage?: () => unknown;
  /** Handles a message that is not a heartbeat. */
  readonly onMessage: (message: unknown) => void;
  /** Handles the code of the error with which the server ended the stream. */
  readonly onRefused?: (code: string) => void;
}

/**
 * A WebSocket that opens again after it breaks, until it is disposed.
 *
 *   connecting ── open ──► live ── closed, or no answer to a heartbeat ──► broken
 *        ▲                                                                   │
 *        └────────────────────────── after a delay ──────────────────────────┘
 *
 * A network that disappears closes no socket, so the page sends a heartbeat, which the server
 * answers at once. Timers of hidden pages run late. The silence is therefore counted from a
 * heartbeat that was sent, never between two timers.
 */
export class LiveStream implements Disposable {
  readonly #options: LiveStreamOptions;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #failures = 0;
  #retryTimer = 0;
  #heartbeatTimer = 0;
  /** When the unanswered heartbeat was sent. */
  #askedAt: number | undefined;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
    const { signal } = this.#stop;
    window.addEventListener("online", () => this.#retryNow(), { signal });
    connections.onLoss(() => this.#drop(), signal);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#retryNow(), { signal });
    this.#heartbeatTimer = window.setInterval(() => this.#checkHeartbeat(), heartbeatIntervalMs);
    this.#connect();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    window.clearTimeout(this.#retryTimer);
    window.clearInterval(this.#heartbeatTimer);
    this.#socket?.close();
    connections.remove(this);
  }

  /** Opens the stream again at its present path. */
  reopen(): void {
    this.#drop();
    this.#retryNow();
  }

  #connect(): void {
    this.#setState("connecting");
    const socket = new WebSocket(this.#options.getPath());
    this.#socket = socket;
    this.#askedAt = performance.now();
    // A dropped connection may still deliver something, which the next one delivers again.
    const isCurrent = () => socket === this.#socket;
    socket.addEventListener("open", () => {
      if (!isCurrent()) return;
      this.#failures = 0;
      this.#askedAt = undefined;
      const { getFirstMessage } = this.#options;
      if (getFirstMessage) socket.send(JSON.stringify(getFirstMessage()));
      this.#setState("live");
    });
    socket.addEventListener("message", ({ data }: MessageEvent<string>) => isCurrent() && this.#handle(data));
    socket.addEventListener("close", ({ reason }) => isCurrent() && this.#handleClose(reason));
  }

  #handle(text: string): void {
    if (this.#stop.signal.aborted) return;
    this.#askedAt = undefined;
    const message: unknown = JSON.parse(text);
    if (isHeartbeat(message)) return;
    this.#options.onMessage(message);
  }

  #handleClose(reason: string): void {
    if (this.#stop.signal.aborted) return;
    this.#socket = undefined;
    this.#setState("broken");
    if (reason !== "") this.#options.onRefused?.(reason);
    this.#failures++;
    const delayMs = Math.min(firstDelayMs * 2 ** Math.min(this.#failures - 1, 10), maxDelayMs);
    this.#retryTimer = window.setTimeout(() => this.#connect(), delayMs);
    void this.#checkLogin();
  }

  /** A dead connection takes long to close, so nothing waits for that. */
  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#handleClose("");
    socket.close();
  }

  #checkHeartbeat(): void {
    const socket = this.#socket;
    if (!socket) return;
    if (this.#askedAt !== undefined) {
      if (performance.now() - this.#askedAt >= maxSilenceMs) connections.reportLoss();
      return;
    }
    if (socket.readyState !== WebSocket.OPEN) return;
    this.#askedAt = performance.now();
    socket.send('{"type":"heartbeat"}');
  }

  #retryNow(): void {
    if (this.#stop.signal.aborted) return;
    if (this.#socket) return this.#checkHeartbeat();
    window.clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** A browser does not say why a socket did not open, so a request finds out about the login. */
  async #checkLogin(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await wharf.whoami.whoami({ signal, timeoutMs: maxSilenceMs });
    } catch (error) {
      if (!signal.aborted && isWharfError(error) && error.status === 401) this.#end();
    }
  }

  #end(): void {
    window.clearTimeout(this.#retryTimer);
    this.#stop.abort();
    this.#setState("logged-out");
  }

  #setState(state: ConnectionState): void {
    connections.set(this, state);
  }
}

const isHeartbeat = (message: unknown): boolean =>
  typeof message === "object" && message !== null && "type" in message && message.type === "heartbeat";
