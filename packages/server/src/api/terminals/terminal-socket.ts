import { getViewerUser, RemoteError, type TerminalControl, type TerminalEvent, WharfError } from "@wharf/contract";
import type { WebSocket } from "ws";
import { ChunkRedactor, type KnownSecrets } from "../../redaction/index.ts";

/** A viewer with this many unsent bytes gets no more until it has read. */
const maxUnsentBytes = 1 << 20;
/** Maximum time without reading. */
const stallTimeoutMs = 30_000;
const pingIntervalMs = 15_000;
/** Time for a viewer who lost access to read the reason. */
const withdrawnTimeoutMs = 500;
/** The present offset is sent after this many bytes, or when no more bytes came for a moment. */
const offsetBytes = 16 * 1024;
const offsetDelayMs = 10;

/** The close codes that explain the end of a stream: RFC 6455's, and those for private use. */
const closeCodes = { done: 1000, failed: 1011, slow: 4000, removed: 4001 } as const;

/**
 * The server's end of one viewer's WebSocket. Bytes are sent as binary messages, everything else as
 * JSON. The viewer acknowledges offsets. The runner detaches a viewer that does not, and this class
 * disconnects one that does not even read.
 */
export class TerminalSocket implements Disposable {
  readonly #ws: WebSocket;
  readonly #controller = new AbortController();
  readonly #ping: NodeJS.Timeout;
  #isAlive = true;
  #sentBytes = 0;
  #unsentOffset: { offset: number; bytes: number } | undefined;
  #offsetTimer: NodeJS.Timeout | undefined;
  #end: { code: number; reason: string } = { code: closeCodes.done, reason: "the terminal ended" };

  readonly #redactor: ChunkRedactor;
  readonly #canType: () => boolean;

  constructor(ws: WebSocket, { secrets, canType }: { secrets: KnownSecrets; canType: () => boolean }) {
    this.#ws = ws;
    this.#canType = canType;
    this.#redactor = new ChunkRedactor({ getMatcher: () => secrets.matcher, isLive: true });
    ws.on("pong", () => (this.#isAlive = true));
    ws.on("error", () => ws.terminate());
    ws.on("close", () => this.#controller.abort(new Error("the viewer left")));
    this.#ping = setInterval(() => {
      // A paused socket does not read pongs either.
      if (!this.#isAlive && !ws.isPaused) return ws.terminate();
      this.#isAlive = false;
      ws.ping();
    }, pingIntervalMs);
  }

  /** Bytes of output that were sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Aborts when the viewer left. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async sendEvent(event: TerminalEvent): Promise<void> {
    switch (event.type) {
      case "stdout":
      case "stderr":
        await this.#send(this.#redactor.redact(Buffer.from(event.data)));
        return this.#setOffset(event.next - this.#redactor.heldCount, event.next - event.offset);
      case "command":
        // The start of a command is for the history; the program itself writes its output.
        return this.#setOffset(event.next, 0);
      case "system":
        if (event.notice === "resize" && event.cols && event.rows)
          await this.#sendControl({ type: "resize", cols: event.cols, rows: event.rows });
        else await this.#sendControl({ type: "notice", notice: event.notice ?? "", data: event.data });
        return this.#setOffset(event.next, 0);
      case "detached":
        this.#end =
          event.reason === "slow"
            ? { code: closeCodes.slow, reason: "too slow" }
            : { code: closeCodes.removed, reason: event.reason };
        return this.#sendControl(event);
      case "attached":
        return this.#sendControl({ ...event, can_type: this.#canType() });
      case "typist":
        return this.#sendControl({ ...event, user: event.viewer_id === null ? null : getViewerUser(event.viewer_id) });
      default:
        return this.#sendControl(event);
    }
  }

  /** Sends the reason of the end, after everything before it has been sent. */
  async close(): Promise<void> {
    await this.#send(this.#redactor.end());
    this.#sendOffset();
    await this.#send("", true);
    this.#ws.close(this.#end.code, this.#end.reason);
  }

  /** Refuses a message of a viewer who may only watch, unless the viewer does not read. */
  refuse(what: string, error: WharfError): void {
    if (this.#ws.bufferedAmount <= maxUnsentBytes)
      void this.#sendControl({ type: "refused", what, code: error.code, detail: error.message });
  }

  async fail(error: WharfError | RemoteError): Promise<void> {
    await this.#sendControl({ type: "refused", what: "attach", code: error.code, detail: error.message });
    this.#end = { code: closeCodes.failed, reason: error.code };
    await this.close();
  }

  /** Ends the connection in a moment, even if the viewer does not read. */
  limitEnd(): void {
    const timer = setTimeout(() => this.#ws.terminate(), withdrawnTimeoutMs);
    this.#ws.once("close", () => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ping);
    clearTimeout(this.#offsetTimer);
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.close(closeCodes.failed);
    // A viewer may not answer the close either.
    const closeTimer = setTimeout(() => this.#ws.terminate(), stallTimeoutMs).unref();
    this.#ws.once("close", () => clearTimeout(closeTimer));
  }

  async #sendControl(control: TerminalControl): Promise<void> {
    this.#sendOffset();
    await this.#send(JSON.stringify(control));
  }

  #setOffset(offset: number, bytes: number): void {
    this.#unsentOffset = { offset, bytes: bytes + (this.#unsentOffset?.bytes ?? 0) };
    if (this.#unsentOffset.bytes >= offsetBytes) return this.#sendOffset();
    this.#offsetTimer ??= setTimeout(() => this.#sendOffset(), offsetDelayMs);
  }

  #sendOffset(): void {
    clearTimeout(this.#offsetTimer);
    this.#offsetTimer = undefined;
    if (!this.#unsentOffset || this.signal.aborted) return;
    const control: TerminalControl = { type: "offset", offset: this.#unsentOffset.offset };
    this.#unsentOffset = undefined;
    this.#ws.send(JSON.stringify(control), () => undefined);
  }

  /** Sends data, and waits while too much is unsent, or with `all` until everything is sent. */
  async #send(data: Buffer | string, all = false): Promise<void> {
    if (this.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sentBytes += typeof data === "string" ? 0 : data.length;
    if (data.length > 0) this.#ws.send(data, () => resolve());
    else resolve();
    if (!all && this.#ws.bufferedAmount <= maxUnsentBytes) return;
    const stallTimer = setTimeout(() => this.#ws.terminate(), stallTimeoutMs);
    const onAbort = () => resolve();
    this.signal.addEventListener("abort", onAbort, { once: true });
    await promise;
    this.signal.removeEventListener("abort", onAbort);
    clearTimeout(stallTimer);
  }
}
