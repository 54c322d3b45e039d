import { connect, Socket } from "node:net";

/**
 * `wharf-wire <socket>`: carries a daemon's wire between its unix socket and the standard input and output, for servers
 * that reach a runner by starting a program in it. It waits for a daemon that is about to listen, and ends with whichever
 * side ends first. A server that is alive pings every second, so one that is silent for long is gone without a word.
 */

const SILENCE = 15_000; // ms
const APPEARS_WITHIN = 20_000; // ms
const PAUSE = 20; // ms

const path = process.argv[2];
const giveUpAt = performance.now() + APPEARS_WITHIN;

function end(reason?: string): void {
  if (reason !== undefined) process.stderr.write(`wharf-wire: ${reason}\n`);
  process.exit(reason === undefined ? 0 : 1);
}

function attempt(socketPath: string): void {
  const socket = connect(socketPath);
  socket.once("error", (error) => {
    if (performance.now() > giveUpAt) return end(`no daemon listens on ${socketPath} (${error.message})`);
    setTimeout(attempt, PAUSE, socketPath);
  });
  socket.once("connect", () => {
    socket.removeAllListeners("error");
    carry(socket);
  });
}

function carry(socket: Socket): void {
  // Node writes to a standard output that is a pipe without giving way: a server that takes nothing for a while would hold up
  // what it sends itself.
  const output = new Socket({ fd: 1, readable: false, writable: true });
  const silent = setTimeout(() => end("the server is silent"), SILENCE);
  process.stdin.on("data", () => silent.refresh());
  for (const stream of [process.stdin, socket, output]) stream.on("error", () => end());
  process.stdin.on("end", () => end());
  socket.on("close", () => output.end(() => end()));
  process.stdin.pipe(socket);
  socket.pipe(output, { end: false });
}

if (path === undefined) end("the path of a socket is its one argument");
else attempt(path);
