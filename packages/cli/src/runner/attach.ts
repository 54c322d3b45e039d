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
import { type Locate, nameOf } from "../locate.ts";
import { openWebSocket } from "../transport.ts";
import { DetachKeys } from "./detach-keys.ts";
import { writeBytes } from "./output.ts";

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
  | { readonly end: "detached"; readonly terminal_id: string; readonly reason: string };

type Control = TerminalControl;

/** How long a server that is gone is looked for. */
const patience = 20_000; // ms
const retryEvery = 500; // ms
const defaultSize = { cols: 80, rows: 24 };

/**
 * A person's terminal on one in a runner, until the program there ends or they leave with ctrl-p ctrl-q. A connection that
 * breaks is made again where the last one stopped; this terminal is as it was when it is over, however that comes.
 */
export async function attach(options: AttachOptions): Promise<Attached> {
  const { stdin, stdout } = options;
  using _raw = rawMode(stdin);
  const keys = new DetachKeys();
  const state = { terminal_id: options.terminal_id, offset: undefined as number | undefined };
  let lostAt: number | undefined;
  for (;;) {
    try {
      const socket = await connect(options, state);
      lostAt = undefined;
      const ended = await converse(socket, { stdin, stdout, keys, state, tell: options.tell });
      if (ended) return ended;
    } catch (error) {
      const isAway = error instanceof WharfError && error.code === "server_unreachable";
      if (!isAway || state.terminal_id === undefined) throw error;
      if (lostAt !== undefined && performance.now() - lostAt > patience) throw error;
    }
    if (lostAt === undefined) options.tell("\r\nThe connection is lost; waiting for the server …\r\n");
    lostAt ??= performance.now();
    await sleep(retryEvery);
  }
}

async function connect(
  { locate, runner_id, command, shell, working_dir, stdout }: AttachOptions,
  { terminal_id = "new", offset }: { terminal_id: string | undefined; offset: number | undefined },
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

interface Conversation {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly keys: DetachKeys;
  readonly state: { terminal_id: string | undefined; offset: number | undefined };
  readonly tell: (text: string) => void;
}

/** One connection's worth; answers nothing when it broke. */
async function converse(socket: WebSocket, at: Conversation): Promise<Attached | undefined> {
  const { stdin, stdout, keys, state } = at;
  const { promise, resolve, reject } = Promise.withResolvers<Attached | undefined>();
  const say = (request: TerminalRequest) => socket.send(JSON.stringify(request), () => undefined);
  const leave = (reason: string) => resolve({ end: "detached", terminal_id: state.terminal_id ?? "", reason });
  const onInput = (bytes: Buffer) => {
    const { send, detach } = keys.read(bytes);
    if (send.length > 0) socket.send(send, () => undefined);
    if (detach) leave("keys");
  };
  const onResize = () => say({ type: "resize", ...sizeOf(stdout) });
  const onHangUp = () => leave("hang-up");
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
        return leave(control.reason);
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
      .then(() =>
        isBinary ? writeBytes(stdout, bytes) : onControl(TerminalControl.parse(JSON.parse(bytes.toString()))),
      )
      .catch(reject);
  });
  socket.once("close", () => void last.then(() => resolve(undefined)));
  stdin.on("data", onInput);
  stdout.on("resize", onResize);
  for (const signal of ["SIGHUP", "SIGTERM"] as const) process.on(signal, onHangUp);
  socket.resume();
  stdin.resume();
  try {
    return await promise;
  } finally {
    for (const signal of ["SIGHUP", "SIGTERM"] as const) process.off(signal, onHangUp);
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

/** Every key goes on as it is. Also an exit that nobody foresaw gives the terminal back as it was. */
function rawMode(stdin: NodeJS.ReadStream): Disposable {
  if (!stdin.isTTY) return { [Symbol.dispose]: () => undefined };
  const restore = () => void stdin.setRawMode(false);
  stdin.setRawMode(true);
  process.on("exit", restore);
  return {
    [Symbol.dispose]() {
      process.off("exit", restore);
      restore();
    },
  };
}
