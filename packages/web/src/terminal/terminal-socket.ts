import { connections } from "../api/index.ts";
import { parseControl, type TerminalControl } from "./terminal-control.ts";

const firstDelayMs = 250;
const maxDelayMs = 5_000;
/** The server refuses longer input. */
const maxInputBytes = 32_768;
const utf8 = new TextEncoder();

export interface TerminalSocketOptions {
  /** Returns the path of the terminal, with the offset at which to read on. */
  readonly getPath: () => string;
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onControl: (control: TerminalControl) => void;
  readonly onDisconnect: () => void;
}

/**
 * The connection to a terminal. It opens again after it breaks, until the terminal has ended, was
 * removed, or the socket is disposed. Live streams find out that the server is out of reach.
 */
export class TerminalSocket implements Disposable {
  readonly #options: TerminalSocketOptions;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #isOver = false;
  #failures = 0;
  #timer = 0;

  constructor(options: TerminalSocketOptions) {
    this.#options = options;
    connections.onLoss(() => this.#drop(), this.#stop.signal);
    this.#connect();
  }

  [Symbol.dispose](): void {
    window.clearTimeout(this.#timer);
    this.#socket?.close();
    this.#end();
  }

  type(text: string): void {
    const bytes = utf8.encode(text);
    for (let start = 0; start < bytes.length; start += maxInputBytes)
      this.#send(bytes.subarray(start, start + maxInputBytes));
  }

  request(message: object): void {
    this.#send(JSON.stringify(message));
  }

  #send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  #connect(): void {
    connections.set(this, "connecting");
    const socket = new WebSocket(this.#options.getPath());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      connections.set(this, "live");
    });
    socket.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (this.#isOver || socket !== this.#socket) return;
      if (typeof data !== "string") return this.#options.onBytes(new Uint8Array(data));
      const control = parseControl(data);
      if (!control) return;
      const isRemoved = control.type === "detached" && control.reason === "removed";
      if (control.type === "exit" || isRemoved) this.#end();
      this.#options.onControl(control);
    });
    socket.addEventListener("close", () => socket === this.#socket && this.#retry());
  }

  /** A dead connection takes long to close, so nothing waits for that. */
  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#retry();
    socket.close();
  }

  #end(): void {
    this.#isOver = true;
    this.#stop.abort();
    connections.remove(this);
  }

  #retry(): void {
    if (this.#isOver) return;
    this.#socket = undefined;
    connections.set(this, "broken");
    this.#options.onDisconnect();
    const delayMs = Math.min(firstDelayMs * 2 ** Math.min(this.#failures++, 10), maxDelayMs);
    this.#timer = window.setTimeout(() => this.#connect(), delayMs);
  }
}
