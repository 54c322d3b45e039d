import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { access, constants } from "node:fs/promises";
import { constants as osConstants } from "node:os";
import { delimiter, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Utf8Splitter } from "../ring/index.ts";
import { isSystemError } from "../support/files.ts";
import { WharfError } from "@wharf/contract";

export interface PtyExit {
  readonly exit_code: number | null;
  readonly signal: string | null;
}

interface PtyOptions {
  readonly shell: string;
  readonly command: string | undefined;
  readonly cwd: string;
  readonly environment: Record<string, string>;
  readonly cols: number;
  readonly rows: number;
  /** Text cut between characters. */
  readonly onData: (data: Buffer) => void;
  /** Behind all output. */
  readonly onExit: (exit: PtyExit) => void;
}

/** A kernel hands out a terminal's output 4 KiB at a time; what is there at once becomes one piece. */
const pieceBytes = 32 * 1024;
/** Input that the program has not taken. */
const maxInputBytes = 1024 * 1024;
const retryIntervalMs = 10; // ms
const quietMs = 50; // ms without output after which a terminal whose program ended is closed
const lingerMs = 2_000; // ms that a child left behind may go on printing

/** A program on a terminal of its own. */
export interface Pty {
  readonly pid: number;
  /** Refused where too much waits for the program to read it. */
  write(data: string): void;
  resize(cols: number, rows: number): void;
  pause(): void;
  resume(): void;
  /** Takes the terminal away from whoever still holds it. */
  close(): void;
}

export async function createPty(options: PtyOptions): Promise<Pty> {
  const file = await getProgramPath(options);
  // A native module: loaded when the first terminal is opened, not when the daemon starts.
  const { spawn } = await import("@lydell/node-pty");
  const { command, cwd, environment: env, cols, rows } = options;
  const pty = spawn(file, command === undefined ? [] : ["-c", command], {
    name: env["TERM"] ?? "xterm-256color",
    cols,
    rows,
    cwd,
    env,
    encoding: null,
  });
  const collector = new OutputCollector(options.onData);
  // With `encoding: null` these are bytes, which the type does not say.
  pty.onData((data: unknown) => collector.add(Buffer.isBuffer(data) ? data : Buffer.from(String(data))));
  pty.onExit(({ exitCode, signal }) => {
    collector.end();
    options.onExit(signal ? { exit_code: null, signal: getSignalName(signal) } : { exit_code: exitCode, signal: null });
  });
  const socket: unknown = Reflect.get(pty, "_socket");
  const fd: unknown = Reflect.get(pty, "_fd");
  if (!(socket instanceof Socket) || typeof fd !== "number") {
    pty.kill("SIGKILL");
    throw new WharfError("unsupported", { what: "this version of the terminal library" });
  }
  const close = createCloser(socket, collector);
  const inputQueue = new InputQueue(fd, socket);
  return {
    pid: pty.pid,
    write: (data) => inputQueue.push(Buffer.from(data)),
    resize(width, height) {
      if (!socket.destroyed) pty.resize(width, height);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close,
  };
}

/**
 * The library closes a terminal 200 ms after its program ended, also one that is paused and whose last output was not
 * read yet. Here it is read first, for as long as something comes.
 */
function createCloser(socket: Socket, collector: OutputCollector): () => void {
  const destroy = socket.destroy.bind(socket);
  let isClosing = false;
  socket.destroy = (error) => {
    if (isClosing || error) return destroy(error);
    isClosing = true;
    const startedAt = performance.now();
    const drainOutput = async (): Promise<void> => {
      for (let count = -1; count !== collector.count && performance.now() - startedAt < lingerMs;) {
        ({ count } = collector);
        await sleep(quietMs);
      }
      destroy();
    };
    socket.resume();
    void drainOutput();
    return socket;
  };
  return () => {
    isClosing = true;
    destroy();
  };
}

/**
 * Input that waits for its program. Not written by the library: a terminal whose program does not read says it can be
 * written to and then takes nothing, and waiting for that is a loop at full speed.
 */
class InputQueue {
  readonly #fd: number;
  readonly #socket: Socket;
  #pendingChunks: Buffer[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, socket: Socket) {
    this.#fd = fd;
    this.#socket = socket;
    socket.once("close", () => {
      clearTimeout(this.#timer);
      this.#pendingChunks = [];
    });
  }

  push(data: Buffer): void {
    if (this.#bytes + data.length > maxInputBytes)
      throw new WharfError("conflict", { what: "program", from: "not reading its input", to: "given more" });
    this.#pendingChunks.push(data);
    this.#bytes += data.length;
    if (this.#timer === undefined) this.#writePending();
  }

  #writePending(): void {
    this.#timer = undefined;
    for (let data = this.#pendingChunks[0]; data; data = this.#pendingChunks[0]) {
      // Closed, the number is soon another file's.
      if (this.#socket.destroyed) return;
      const writtenBytes = this.#writeChunk(data);
      this.#bytes -= writtenBytes;
      if (writtenBytes === data.length) this.#pendingChunks.shift();
      else this.#pendingChunks[0] = data.subarray(writtenBytes);
      if (writtenBytes === 0) {
        this.#timer = setTimeout(() => this.#writePending(), retryIntervalMs);
        return;
      }
    }
  }

  #writeChunk(data: Buffer): number {
    try {
      return writeSync(this.#fd, data);
    } catch (error) {
      if (isSystemError(error, "EAGAIN")) return 0;
      // The program has gone; its exit says so.
      return data.length;
    }
  }
}

class OutputCollector {
  readonly #edge = new Utf8Splitter();
  readonly #onData: (data: Buffer) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #flushTimer: NodeJS.Immediate | undefined;
  /** How often something came. */
  count = 0;

  constructor(onData: (data: Buffer) => void) {
    this.#onData = onData;
  }

  add(chunk: Buffer): void {
    this.count += 1;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= pieceBytes) this.#flush();
    else this.#flushTimer ??= setImmediate(() => this.#flush());
  }

  end(): void {
    this.#flush();
    const remainder = this.#edge.end();
    if (remainder.length > 0) this.#onData(remainder);
  }

  #flush(): void {
    clearImmediate(this.#flushTimer);
    this.#flushTimer = undefined;
    if (this.#bytes === 0) return;
    const completeText = this.#edge.write(Buffer.concat(this.#chunks, this.#bytes));
    this.#chunks = [];
    this.#bytes = 0;
    if (completeText.length > 0) this.#onData(completeText);
  }
}

/** The library tells of a program that is not there only by its exit. */
async function getProgramPath({ shell: name, cwd, environment }: PtyOptions): Promise<string> {
  const folders = name.includes("/") ? ["."] : (environment["PATH"] ?? "").split(delimiter);
  const candidates = folders.map((folder) => resolve(cwd, folder, name));
  for (const candidate of candidates) {
    const isExecutable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return candidate;
  }
  throw new WharfError("bad_request", {
    issues: [{ path: "shell", message: `'${name.slice(0, 200)}' cannot be started` }],
  });
}

const getSignalName = (signal: number): string =>
  Object.entries(osConstants.signals).find(([, number]) => number === signal)?.[0] ?? `signal ${signal}`;
