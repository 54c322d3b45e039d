import { writeSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { Socket } from "node:net";
import { constants as osConstants } from "node:os";
import { delimiter, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "../file-system/files.ts";
import { Utf8Splitter } from "../ring/index.ts";

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
  /** Receives output that is cut between characters. */
  readonly onData: (data: Buffer) => void;
  /** Receives the exit after all output. */
  readonly onExit: (exit: PtyExit) => void;
}

/**
 * The kernel delivers a terminal's output 4 KiB at a time; available output is joined into one
 * piece.
 */
const pieceBytes = 32 * 1024;
/** Limits the input that the program has not read. */
const maxInputBytes = 1024 * 1024;
const retryIntervalMs = 10;
// A terminal whose program has ended is closed after this time without output.
const quietMs = 50;
// A child left behind may continue to print for this long.
const lingerMs = 2_000;

/** Controls a program on its dedicated terminal. */
export interface Pty {
  readonly pid: number;
  /** Throws if too much input is unread. */
  write(data: string): void;
  resize(cols: number, rows: number): void;
  pause(): void;
  resume(): void;
  /** Closes the terminal, even for processes that still hold it. */
  close(): void;
}

export async function createPty(options: PtyOptions): Promise<Pty> {
  const file = await getProgramPath(options);
  // Load this native module with the first terminal, so that the daemon starts faster.
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
  // With `encoding: null` the data is bytes, which the type does not express.
  pty.onData((data: unknown) => collector.add(Buffer.isBuffer(data) ? data : Buffer.from(String(data))));
  pty.onExit(({ exitCode, signal }) => {
    collector.end();
    options.onExit(signal ? { exit_code: null, signal: getSignalName(signal) } : { exit_code: exitCode, signal: null });
  });
  const socket: unknown = Reflect.get(pty, "_socket");
  const fd: unknown = Reflect.get(pty, "_fd");
  if (!(socket instanceof Socket) || typeof fd !== "number") {
    pty.kill("SIGKILL");
    throw new WharfError("unsupported", { what: "The installed version of node-pty" });
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
 * The library closes a terminal 200 ms after its program ended, even if the terminal is paused or
 * its last output is unread. This closer first reads the output until no more arrives.
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
 * Queues input for the program. The library's own queue is not used: a terminal whose program does
 * not read reports that it is writable but accepts nothing, so the library would retry in a busy
 * loop.
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
    if (this.#bytes + data.length > maxInputBytes) throw new WharfError("terminal_input_full", {});
    this.#pendingChunks.push(data);
    this.#bytes += data.length;
    if (this.#timer === undefined) this.#writePending();
  }

  #writePending(): void {
    this.#timer = undefined;
    for (let data = this.#pendingChunks[0]; data; data = this.#pendingChunks[0]) {
      // A closed descriptor's number may already belong to another file.
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
      // The program has exited; its exit reports that.
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
  /** Counts the received chunks. */
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

/** Finds the program before the start: the library reports a missing program only by its exit. */
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
