import { RemoteError, type TerminalControl, type TerminalEvent, WharfError } from "@wharf/contract";
import type { WebSocket } from "ws";

/** A viewer that has this much unsent is given nothing more until it has read. */
const maxUnsent = 1 << 20; // bytes
/** How long it may take to read on. */
const stallTime = 30_000; // ms
const pingEvery = 15_000; // ms
/** Where the bytes have led is said after so many of them, or when nothing more came for a moment. */
const offsetBytes = 16 * 1024;
const offsetDelay = 10; // ms

/** The close codes that tell why a stream ended: RFC 6455's, and those that are free for use. */
const codes = { done: 1000, failed: 1011, slow: 4000, removed: 4001 } as const;

/**
 * The server's end of one viewer's WebSocket. Bytes go out as binary messages, the rest as JSON. The viewer acknowledges
 * offsets; one that does not is detached by the runner, and one that does not even read is cut off here.
 */
export class TerminalSocket implements Disposable {
  readonly #ws: WebSocket;
  readonly #gone = new AbortController();
  readonly #ping: NodeJS.Timeout;
  #answered = true;
  #unsaid: { offset: number; bytes: number } | undefined;
  #offsetTimer: NodeJS.Timeout | undefined;
  #end: { code: number; reason: string } = { code: codes.done, reason: "the terminal ended" };

  constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on("pong", () => (this.#answered = true));
    ws.on("error", () => ws.terminate());
    ws.on("close", () => this.#gone.abort(new Error("the viewer left")));
    this.#ping = setInterval(() => {
      // One that is held back reads no pong either.
      if (!this.#answered && !ws.isPaused) return ws.terminate();
      this.#answered = false;
      ws.ping();
    }, pingEvery);
  }

  /** Aborted when the viewer left. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  async show(event: TerminalEvent): Promise<void> {
    switch (event.type) {
      case "stdout":
      case "stderr":
        await this.#send(Buffer.from(event.data));
        return this.#led(event.next, event.next - event.offset);
      case "command":
        // What was started is for the history; the program itself shows what it shows.
        return this.#led(event.next, 0);
      case "system":
        if (event.notice === "resize" && event.cols && event.rows)
          await this.#tell({ type: "resize", cols: event.cols, rows: event.rows });
        else await this.#tell({ type: "notice", notice: event.notice ?? "", data: event.data });
        return this.#led(event.next, 0);
      case "detached":
        this.#end =
          event.reason === "slow"
            ? { code: codes.slow, reason: "too slow" }
            : { code: codes.removed, reason: event.reason };
        return this.#tell(event);
      default:
        return this.#tell(event);
    }
  }

  /** Says how it ended, when all before has been sent. */
  async close(): Promise<void> {
    this.#sayOffset();
    await this.#send("", true);
    this.#ws.close(this.#end.code, this.#end.reason);
  }

  async fail(error: WharfError | RemoteError): Promise<void> {
    await this.#tell({ type: "refused", what: "attach", code: error.code, detail: error.message });
    this.#end = { code: codes.failed, reason: error.code };
    await this.close();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ping);
    clearTimeout(this.#offsetTimer);
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.close(codes.failed);
    // A viewer that does not answer the close either.
    const late = setTimeout(() => this.#ws.terminate(), stallTime).unref();
    this.#ws.once("close", () => clearTimeout(late));
  }

  async #tell(control: TerminalControl): Promise<void> {
    this.#sayOffset();
    await this.#send(JSON.stringify(control));
  }

  #led(offset: number, bytes: number): void {
    this.#unsaid = { offset, bytes: bytes + (this.#unsaid?.bytes ?? 0) };
    if (this.#unsaid.bytes >= offsetBytes) return this.#sayOffset();
    this.#offsetTimer ??= setTimeout(() => this.#sayOffset(), offsetDelay);
  }

  #sayOffset(): void {
    clearTimeout(this.#offsetTimer);
    this.#offsetTimer = undefined;
    if (!this.#unsaid || this.signal.aborted) return;
    const control: TerminalControl = { type: "offset", offset: this.#unsaid.offset };
    this.#unsaid = undefined;
    this.#ws.send(JSON.stringify(control), () => undefined);
  }

  /** Waits while too much is unsent, or for all of it. */
  async #send(data: Buffer | string, all = false): Promise<void> {
    if (this.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (data.length > 0) this.#ws.send(data, () => resolve());
    else resolve();
    if (!all && this.#ws.bufferedAmount <= maxUnsent) return;
    const late = setTimeout(() => this.#ws.terminate(), stallTime);
    const leave = () => resolve();
    this.signal.addEventListener("abort", leave, { once: true });
    await promise;
    this.signal.removeEventListener("abort", leave);
    clearTimeout(late);
  }
}
