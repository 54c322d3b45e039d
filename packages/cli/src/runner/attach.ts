import { setTimeout as sleep } from "node:timers/promises";
import {
  RemoteError,
  TerminalControl,
  type TerminalRequest,
  terminalStreamPath,
  urlOf,
  WharfError,
} from "@wharf/contract";
import type { WebSocket } from "ws";
import { connectionFailure, refusal } from "../client.ts";
import { Interrupted, Interrupts } from "../interrupts.ts";
import { type Locate, nameOf } from "../locate.ts";
import { openWebSocket } from "../transport.ts";
import { DetachKeys } from "./detach-keys.ts";
import { writeBytes, writeText } from "./output.ts";
import { TerminalModes } from "./terminal-modes.ts";

export interface AttachOptions {
  readonly locate: Locate;
  readonly runner_id: string;
  /** A terminal that is there; without it a shell is started. */
  readonly terminal_id: string | undefined;
  readonly command: string | undefined;
  readonly shell: string;
  readonly working_dir: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Said to the person beside what the terminal shows. */
  readonly tell: (text: string) => void;
}

export type Attached =
  | { readonly end: "exit"; readonly exit_code: number | null; readonly signal: string | null }
  | { readonly end: "detached"; readonly terminal_id: string; readonly reason: string; readonly exitCode: number };

type Control = TerminalControl;

/** How long a server that is gone is looked for. */
const patience = 20_000; // ms
const retryEvery = 500; // ms
const defaultSize = { cols: 80, rows: 24 };

/**
 * A person's terminal on one in a runner, until the program there ends or they leave with ctrl-p ctrl-q. A connection that
 * breaks is made again where the last one stopped, unless Ctrl-C is pressed meanwhile; this terminal is as it was when it
 * is over, however that comes.
 */
export async function attach(options: AttachOptions): Promise<Attached> {
  const { stdin, stdout, tell } = options;
  using interrupts = new Interrupts();
  const modes = new TerminalModes();
  using _terminal = keepTerminal(stdin, stdout, modes);
  const left = new AbortController();
  const session: Session = {
    stdin,
    stdout,
    modes,
    keys: new DetachKeys(),
    state: { terminal_id: options.terminal_id, offset: undefined },
    tell,
    signal: AbortSignal.any([interrupts.signal, left.signal]),
  };
  const { state, signal } = session;
  const leave = (): Attached => {
    const interrupted = signal.reason instanceof Interrupted ? signal.reason : new Interrupted("SIGINT");
    return { end: "detached", terminal_id: state.terminal_id ?? "", reason: "hang-up", exitCode: interrupted.exitCode };
  };
  let lostAt: number | undefined;
  for (;;) {
    try {
      const socket = await connect(options, state, signal);
      lostAt = undefined;
      const ended = await converse(socket, session);
      if (ended) return ended;
    } catch (error) {
      if (signal.aborted) return leave();
      const isAway = error instanceof WharfError && error.code === "server_unreachable";
      if (!isAway || state.terminal_id === undefined) throw error;
      if (lostAt !== undefined && performance.now() - lostAt > patience) throw error;
    }
    if (signal.aborted) return leave();
    if (lostAt === undefined) tell("\r\nThe connection is lost; waiting for the server. Ctrl-C leaves …\r\n");
    lostAt ??= performance.now();
    using _typing = onTyped(stdin, (bytes) => bytes.includes(ctrlC) && left.abort(new Interrupted("SIGINT")));
    await sleep(retryEvery, undefined, { signal }).catch(() => undefined);
  }
}

async function connect(
  { locate, runner_id, command, shell, working_dir, stdout }: AttachOptions,
  { terminal_id = "new", offset }: Session["state"],
  signal: AbortSignal,
): Promise<WebSocket> {
  const address = await locate();
  const { cols, rows } = sizeOf(stdout);
  const path = urlOf(
    { method: "GET", path: terminalStreamPath, summary: "", response: "stream" },
    {
      params: { runner_id, terminal_id },
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
  const socket = openWebSocket(address, path);
  await new Promise<void>((resolve, reject) => {
    const abort = () => {
      reject(signal.reason);
      socket.terminate();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", abort));
    socket.once("open", () => {
      // The first bytes may be here before there is a reader for them.
      socket.pause();
      resolve();
    });
    socket.on("error", (error) => reject(connectionFailure(address, error)));
    socket.once("unexpected-response", (_request, response) => {
      let text = "";
      response.on("data", (piece: Buffer) => (text += piece.toString()));
      response.on("end", () => reject(refusal(nameOf(address), response.statusCode ?? 0, text)));
      response.on("error", reject);
    });
  });
  return socket;
}

interface Session {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly modes: TerminalModes;
  readonly keys: DetachKeys;
  readonly state: { terminal_id: string | undefined; offset: number | undefined };
  readonly tell: (text: string) => void;
  /** Ends it, whatever it does. */
  readonly signal: AbortSignal;
}

/** One connection's worth; answers nothing when it broke. */
async function converse(socket: WebSocket, at: Session): Promise<Attached | undefined> {
  const { stdin, stdout, modes, keys, state, signal } = at;
  const { promise, resolve, reject } = Promise.withResolvers<Attached | undefined>();
  const say = (request: TerminalRequest) => socket.send(JSON.stringify(request), () => undefined);
  const leave = (reason: string, exitCode: number) =>
    resolve({ end: "detached", terminal_id: state.terminal_id ?? "", reason, exitCode });
  const onInput = (bytes: Buffer) => {
    const { send, detach } = keys.read(bytes);
    if (send.length > 0) socket.send(send, () => undefined);
    if (detach) leave("keys", 0);
  };
  const onResize = () => say({ type: "resize", ...sizeOf(stdout) });
  const onAbort = () => reject(signal.reason);
  const onControl = (control: Control) => {
    switch (control.type) {
      case "attached":
        state.terminal_id = control.terminal.terminal_id;
        if (stdout.isTTY) onResize();
        return;
      case "offset":
        state.offset = control.offset;
        return say({ type: "ack", offset: control.offset });
      case "gap":
        return at.tell(`\r\n[${control.to - control.from} bytes are lost]\r\n`);
      case "detached":
        return leave(control.reason, 2);
      case "refused":
        if (control.what !== "attach") return at.tell(`\r\n[${control.detail}]\r\n`);
        return reject(problemOf(control));
      case "exit":
        return resolve({ end: "exit", exit_code: control.exit_code, signal: control.signal });
      default:
        return undefined;
    }
  };
  // Shown in order: what is written only in part holds back what comes behind it, and with it the acknowledgement.
  let last = Promise.resolve();
  socket.on("message", (data, isBinary) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    last = last
      .then(() => {
        if (!isBinary) return onControl(TerminalControl.parse(JSON.parse(bytes.toString())));
        modes.see(bytes);
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
    const late = setTimeout(() => socket.terminate(), 1_000).unref();
    socket.once("close", () => clearTimeout(late));
  }
}

const problemOf = ({ code, detail }: Extract<Control, { type: "refused" }>) =>
  new RemoteError({ type: `urn:wharf:error:${code}`, title: code, status: 0, detail, code, next: "" });

const sizeOf = ({ columns, rows }: { columns?: number; rows?: number }) => ({
  cols: Math.min(Math.max(columns ?? defaultSize.cols, 1), 1000),
  rows: Math.min(Math.max(rows ?? defaultSize.rows, 1), 1000),
});

const ctrlC = 0x03;

function onTyped(stdin: NodeJS.ReadStream, typed: (bytes: Buffer) => void): Disposable {
  stdin.on("data", typed).resume();
  return { [Symbol.dispose]: () => void stdin.off("data", typed).pause() };
}

/** Every key goes on as it is. Also an exit that nobody foresaw gives the terminal back as it was. */
function keepTerminal(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream, modes: TerminalModes): Disposable {
  // A terminal that was closed takes no more settings.
  stdin.on("error", () => undefined);
  const restore = () => {
    if (stdin.isTTY) stdin.setRawMode(false);
    if (stdout.isTTY) writeText(stdout, modes.restore());
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
