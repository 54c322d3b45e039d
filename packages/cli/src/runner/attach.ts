import { setTimeout as sleep } from "node:timers/promises";
import { RemoteError, TerminalControl, type TerminalRequest, getEndpointUrl, WharfError } from "@wharf/contract";
import type { WebSocket } from "ws";
import { InterruptedError, Interrupts } from "../interrupts.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { toAccessEnd } from "../server/access-end.ts";
import type { LocateServer } from "../server/server-address.ts";
import { waitForOpen } from "../server/socket-opening.ts";
import { createWebSocket } from "../server/transport.ts";
import { DetachKeys } from "./detach-keys.ts";
import { writeBytes, writeText } from "./output.ts";
import { TerminalModes } from "./terminal-modes.ts";

export interface AttachOptions {
  readonly locate: LocateServer;
  /** Names the runner or the workspace with the terminal. */
  readonly socket: TerminalAddress;
  /** Names an existing terminal; without it a shell is started. */
  readonly terminal_id: string | undefined;
  readonly command: string | undefined;
  readonly shell: string;
  readonly working_dir: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Shows a message to the user beside the terminal's output. */
  readonly notify: (text: string) => void;
}

export interface TerminalAddress {
  /** A path with `:name` for parameters, one of them `terminal_id`. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

export type AttachResult =
  | { readonly end: "exit"; readonly exit_code: number | null; readonly signal: string | null }
  | { readonly end: "detached"; readonly terminal_id: string; readonly reason: string; readonly exitCode: number };

type Control = TerminalControl;

/** Limits how long a lost server is retried. */
const reconnectTimeoutMs = 20_000;
const retryIntervalMs = 500;
const defaultSize = { cols: 80, rows: 24 };

/**
 * Connects the user's terminal to one in a runner, until the program there ends or the user leaves
 * with ctrl-p ctrl-q. A broken connection is restored at the same position, unless the user presses
 * Ctrl-C meanwhile; the user's terminal is always restored at the end.
 */
export async function attachToTerminal(options: AttachOptions): Promise<AttachResult> {
  const { stdin, stdout, notify } = options;
  using interrupts = new Interrupts();
  const modes = new TerminalModes();
  using _terminal = enterRawMode(stdin, stdout, modes);
  const departure = new AbortController();
  const session: AttachSession = {
    stdin,
    stdout,
    modes,
    keys: new DetachKeys(),
    state: { terminal_id: options.terminal_id, offset: undefined },
    notify,
    signal: AbortSignal.any([interrupts.signal, departure.signal]),
  };
  const { state, signal } = session;
  const getDetachedResult = (): AttachResult => {
    const interrupted = signal.reason instanceof InterruptedError ? signal.reason : new InterruptedError("SIGINT");
    return { end: "detached", terminal_id: state.terminal_id ?? "", reason: "hang-up", exitCode: interrupted.exitCode };
  };
  let lostAt: number | undefined;
  for (;;) {
    try {
      const socket = await openTerminalSocket(options, state, signal);
      lostAt = undefined;
      const result = await runConnection(socket, session);
      if (result) return result;
    } catch (error) {
      if (signal.aborted) return getDetachedResult();
      const isAway = error instanceof WharfError && error.code === "server_unreachable";
      const wasAttached = state.terminal_id !== undefined && state.offset !== undefined;
      if (!isAway || state.terminal_id === undefined) throw (wasAttached ? toAccessEnd(error) : undefined) ?? error;
      if (lostAt !== undefined && performance.now() - lostAt > reconnectTimeoutMs) throw error;
    }
    if (signal.aborted) return getDetachedResult();
    if (lostAt === undefined) notify("\r\nThe connection is lost. Waiting for the server; Ctrl-C exits …\r\n");
    lostAt ??= performance.now();
    using _typing = listenForInput(
      stdin,
      (bytes) => bytes.includes(ctrlC) && departure.abort(new InterruptedError("SIGINT")),
    );
    await sleep(retryIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}

async function openTerminalSocket(
  { locate, socket: terminalAddress, command, shell, working_dir, stdout }: AttachOptions,
  { terminal_id = "new", offset }: AttachSession["state"],
  signal: AbortSignal,
): Promise<WebSocket> {
  const address = await locate();
  const { cols, rows } = getTerminalSize(stdout);
  const path = getEndpointUrl(
    { method: "GET", path: terminalAddress.path, summary: "", response: "stream" },
    {
      params: { ...terminalAddress.params, terminal_id },
      query: {
        cols,
        rows,
        shell,
        working_dir,
        ...(command && { command }),
        ...(offset !== undefined && { after: offset }),
      },
    },
  );
  const socket = createWebSocket(address, path);
  const abort = () => socket.terminate();
  signal.addEventListener("abort", abort, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", abort));
  try {
    await waitForOpen(socket, address);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return socket;
}

interface AttachSession {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly modes: TerminalModes;
  readonly keys: DetachKeys;
  readonly state: { terminal_id: string | undefined; offset: number | undefined };
  readonly notify: (text: string) => void;
  /** Ends the session in any state. */
  readonly signal: AbortSignal;
}

/** Runs one connection; resolves to undefined if the connection broke. */
async function runConnection(socket: WebSocket, session: AttachSession): Promise<AttachResult | undefined> {
  const { stdin, stdout, modes, keys, state, signal } = session;
  const { promise, resolve, reject } = Promise.withResolvers<AttachResult | undefined>();
  const sendRequest = (request: TerminalRequest) => socket.send(JSON.stringify(request), () => undefined);
  const resolveDetached = (reason: string, exitCode: number) =>
    resolve({ end: "detached", terminal_id: state.terminal_id ?? "", reason, exitCode });
  let viewer: { readonly id: string; readonly canType: boolean } | undefined;
  const onInput = (bytes: Buffer) => {
    const { send, detach, take } = keys.read(bytes);
    const isWatching = viewer?.canType === false;
    if (take) sendRequest({ type: "take" });
    if (send.length > 0 && !isWatching) socket.send(send, () => undefined);
    if (detach || (isWatching && send.includes(ctrlC))) resolveDetached("keys", 0);
  };
  const onResize = () => viewer?.canType !== false && sendRequest({ type: "resize", ...getTerminalSize(stdout) });
  const onAbort = () => reject(signal.reason);
  const onControl = (control: Control) => {
    switch (control.type) {
      case "attached":
        state.terminal_id = control.terminal.terminal_id;
        viewer = { id: control.viewer_id, canType: control.can_type };
        if (!viewer.canType) return session.notify("\r\n[You watch this terminal. Ctrl-C leaves it.]\r\n");
        // The terminal has the size of the person who types.
        if (stdout.isTTY && control.terminal.typist === null) onResize();
        return;
      case "typist": {
        const isOther = control.viewer_id !== null && control.viewer_id !== viewer?.id;
        if (isOther)
          session.notify(`\r\n[${toSingleLine(control.user ?? "", 100)} types. Ctrl-P Ctrl-T takes over.]\r\n`);
        else if (control.viewer_id !== null && stdout.isTTY) onResize();
        return;
      }
      case "offset":
        state.offset = control.offset;
        return sendRequest({ type: "ack", offset: control.offset });
      case "gap":
        return session.notify(`\r\n[${control.to - control.from} bytes were lost]\r\n`);
      case "detached":
        return resolveDetached(control.reason, 2);
      case "refused":
        if (control.what !== "attach") return session.notify(`\r\n[${control.detail}]\r\n`);
        return reject((viewer && toAccessEnd(toRemoteError(control))) ?? toRemoteError(control));
      case "exit":
        return resolve({ end: "exit", exit_code: control.exit_code, signal: control.signal });
      default:
        return undefined;
    }
  };
  // Process messages in order: an incomplete write delays the following messages, and with them the
  // acknowledgement.
  let last = Promise.resolve();
  socket.on("message", (data, isBinary) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    last = last
      .then(() => {
        if (!isBinary) return onControl(TerminalControl.parse(JSON.parse(bytes.toString())));
        modes.track(bytes);
        return writeBytes(stdout, bytes);
      })
      .catch(reject);
  });
  socket.once("close", () => void last.then(() => resolve(undefined)));
  stdin.on("data", onInput);
  stdout.on("resize", onResize);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  socket.resume();
  stdin.resume();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stdin.off("data", onInput);
    stdin.pause();
    stdout.off("resize", onResize);
    socket.close();
    const closeTimer = setTimeout(() => socket.terminate(), 1_000).unref();
    socket.once("close", () => clearTimeout(closeTimer));
  }
}

const toRemoteError = ({ code, detail }: Extract<Control, { type: "refused" }>) =>
  new RemoteError({ type: `urn:wharf:error:${code}`, title: code, status: 0, detail, code, next: "" });

const getTerminalSize = ({ columns, rows }: { columns?: number; rows?: number }) => ({
  cols: Math.min(Math.max(columns ?? defaultSize.cols, 1), 1000),
  rows: Math.min(Math.max(rows ?? defaultSize.rows, 1), 1000),
});

const ctrlC = 0x03;

function listenForInput(stdin: NodeJS.ReadStream, onInput: (bytes: Buffer) => void): Disposable {
  stdin.on("data", onInput).resume();
  return { [Symbol.dispose]: () => void stdin.off("data", onInput).pause() };
}

/** Passes every key on unchanged. Even an unexpected exit restores the terminal. */
function enterRawMode(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream, modes: TerminalModes): Disposable {
  // A closed terminal rejects settings.
  stdin.on("error", () => undefined);
  const restore = () => {
    if (stdin.isTTY) stdin.setRawMode(false);
    if (stdout.isTTY) writeText(stdout, modes.getRestoreSequence());
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  process.on("exit", restore);
  return {
    [Symbol.dispose]() {
      process.off("exit", restore);
      restore();
    },
  };
}
