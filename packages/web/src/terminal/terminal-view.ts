import "./adopted-style.ts";
import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import type { TerminalControl } from "./terminal-control.ts";
import { TerminalSocket } from "./terminal-socket.ts";

const fontFamily = '"JetBrains Mono Variable", monospace';
const fontSizePx = 13;

/** What the page shows beside the terminal. */
export interface TerminalStatus {
  readonly isConnected: boolean;
  readonly canType: boolean;
  /** The user who types, and whether that is this view. */
  readonly typist?: string | undefined;
  readonly isTypist: boolean;
  /** Why the terminal has ended. */
  readonly end?: string;
  /** Why the server refused something. */
  readonly refusal?: string | undefined;
}

export interface TerminalViewOptions {
  readonly host: HTMLElement;
  /** The path of the terminal's socket, without a query. */
  readonly path: string;
  readonly onStatus: (status: TerminalStatus) => void;
}

/**
 * Shows a terminal of a runner in an element. What it prints cannot act on the page: titles, the
 * clipboard and hyperlinks have no handler.
 */
export class TerminalView implements Disposable {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #socket: TerminalSocket;
  readonly #options: TerminalViewOptions;
  readonly #stop = new AbortController();
  readonly #resizes: ResizeObserver;
  #status: TerminalStatus = { isConnected: false, canType: false, isTypist: false };
  #offset: number | undefined;
  /** The size of the program's terminal. */
  #size: { readonly cols: number; readonly rows: number } | undefined;
  /** Tells the browsers of one person apart. */
  readonly #name = `browser-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`;
  #viewerId = "";
  #isTyping = false;

  constructor(options: TerminalViewOptions) {
    const { host, path } = options;
    this.#options = options;
    this.#terminal = new Terminal({
      fontSize: fontSizePx,
      minimumContrastRatio: 4.5,
      scrollback: 10_000,
      theme: getTheme(host),
      linkHandler: { activate: () => undefined },
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.open(host);
    this.#socket = new TerminalSocket({
      getPath: () => `${path}?viewer_id=${this.#name}${this.#offset === undefined ? "" : `&after=${this.#offset}`}`,
      onBytes: (bytes) => this.#terminal.write(bytes),
      onControl: (control) => this.#handle(control),
      onDisconnect: () => this.#setStatus({ isConnected: false }),
    });
    this.#resizes = new ResizeObserver(() => this.#fitToHost());
    this.#resizes.observe(host);
    const { signal } = this.#stop;
    const setTheme = () => (this.#terminal.options.theme = getTheme(host));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme, { signal });
    // Cells are measured once: with the font that is there then.
    void document.fonts.load(`${fontSizePx}px ${fontFamily}`).then(() => {
      if (signal.aborted) return;
      this.#terminal.options.fontFamily = fontFamily;
      this.#fitToHost();
    });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#resizes.disconnect();
    this.#socket[Symbol.dispose]();
    this.#terminal.dispose();
  }

  takeOver(): void {
    this.#socket.request({ type: "take" });
    this.#terminal.focus();
  }

  #handle(control: TerminalControl): void {
    switch (control.type) {
      case "attached": {
        this.#viewerId = control.viewer_id;
        const typist = control.terminal.typist ?? null;
        this.#setStatus({ isConnected: true, canType: control.can_type });
        this.#size = control.terminal;
        this.#setTypist(typist, typist?.split("/")[0] ?? null);
        this.#adoptSize();
        this.#fitToHost();
        break;
      }
      case "offset":
        this.#acknowledge(control.offset);
        break;
      case "gap":
        this.#terminal.write("\r\n[a part of the history is not kept any more]\r\n");
        break;
      case "resize":
        this.#size = control;
        this.#adoptSize();
        break;
      case "notice":
        if (control.notice === "clear") this.#terminal.clear();
        break;
      case "typist":
        this.#setTypist(control.viewer_id, control.user);
        break;
      case "refused":
        this.#setStatus({ refusal: control.detail });
        break;
      case "detached":
        if (control.reason === "removed") this.#setStatus({ end: "The terminal was closed." });
        break;
      case "exit":
        this.#setStatus({ end: getEnd(control), isTypist: false });
        break;
    }
  }

  /**
   * The terminal answers questions that it finds in its history, too. So nothing is sent before the
   * history has been shown.
   */
  #acknowledge(offset: number): void {
    this.#offset = offset;
    this.#terminal.write("", () => {
      this.#socket.request({ type: "ack", offset });
      if (this.#isTyping) return;
      this.#isTyping = true;
      this.#terminal.onData((text) => {
        if (!this.#status.canType) return;
        if (this.#status.refusal !== undefined) this.#setStatus({ refusal: undefined });
        this.#socket.type(text);
      });
    });
  }

  #setTypist(viewerId: string | null, user: string | null): void {
    this.#setStatus({ typist: user ?? viewerId ?? undefined, isTypist: viewerId === this.#viewerId });
    if (this.#status.isTypist) this.#fitToHost();
  }

  /** A viewer shows the size of the program's terminal, and never answers with another one. */
  #adoptSize(): void {
    if (!this.#status.isTypist && this.#size) this.#terminal.resize(this.#size.cols, this.#size.rows);
  }

  /** The person who types decides the size, and before that each person who looks. */
  #fitToHost(): void {
    const { typist, isTypist, canType, isConnected } = this.#status;
    if (!isConnected || !canType || (typist !== undefined && !isTypist)) return;
    this.#fit.fit();
    const { cols, rows } = this.#terminal;
    if (cols === this.#size?.cols && rows === this.#size.rows) return;
    this.#size = { cols, rows };
    this.#socket.request({ type: "resize", cols, rows });
  }

  #setStatus(change: Partial<TerminalStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#options.onStatus(this.#status);
  }
}

const getEnd = ({ exit_code: code, signal }: Extract<TerminalControl, { type: "exit" }>): string =>
  signal === null ? `The program ended with code ${code ?? "unknown"}.` : `The program ended by ${signal}.`;

function getTheme(host: HTMLElement) {
  const { backgroundColor: background, color: foreground } = getComputedStyle(host);
  return { background, foreground, cursor: foreground };
}
