import { connect, Socket } from "node:net";

/**
 * `wharf-wire <socket>` carries a daemon's wire between its unix socket and the standard input and
 * output, for servers that reach a runner by starting a program in it. The pipe waits for a daemon
 * that is about to listen, and ends when either side ends. A live server pings every second, so a
 * server that is silent for long has died without closing the pipe.
 */

const silenceTimeoutMs = 15_000;
const appearTimeoutMs = 20_000;
const retryIntervalMs = 20;

const path = process.argv[2];
const connectDeadline = performance.now() + appearTimeoutMs;

function exitPipe(reason?: string): void {
  if (reason !== undefined) process.stderr.write(`wharf-wire: ${reason}\n`);
  process.exit(reason === undefined ? 0 : 1);
}

function connectWithRetry(socketPath: string): void {
  const socket = connect(socketPath);
  socket.once("error", (error) => {
    if (performance.now() > connectDeadline) return exitPipe(`no daemon listens on ${socketPath} (${error.message})`);
    setTimeout(connectWithRetry, retryIntervalMs, socketPath);
  });
  socket.once("connect", () => {
    socket.removeAllListeners("error");
    pipeStreams(socket);
  });
}

function pipeStreams(socket: Socket): void {
  // For a pipe, Node writes to the standard output synchronously: a server that stops reading for a
  // while would block the data that it sends itself.
  const output = new Socket({ fd: 1, readable: false, writable: true });
  const silenceTimer = setTimeout(() => exitPipe("the server is silent"), silenceTimeoutMs);
  process.stdin.on("data", () => silenceTimer.refresh());
  for (const stream of [process.stdin, socket, output]) stream.on("error", () => exitPipe());
  process.stdin.on("end", () => exitPipe());
  socket.on("close", () => output.end(() => exitPipe()));
  process.stdin.pipe(socket);
  socket.pipe(output, { end: false });
}

if (path === undefined) exitPipe("usage: wharf-wire <socket path>");
else connectWithRetry(path);
