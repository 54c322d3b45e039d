import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { HostAddress } from "./addresses.ts";
import { parseClientHello } from "./client-hello.ts";
import type { HostTarget } from "./host-policy.ts";

export interface TunnelTimes {
  readonly connectMs: number;
  /** How long a program may take to say what it wants to talk to. */
  readonly helloMs: number;
  /** How long a tunnel may carry nothing. */
  readonly idleMs: number;
  /** How often an open connection is reported. */
  readonly reportMs: number;
}

export const defaultTunnelTimes: TunnelTimes = {
  connectMs: 10_000,
  helloMs: 30_000,
  idleMs: 10 * 60_000,
  reportMs: 60_000,
};

/** Connects to the first address that answers. The addresses have been checked. */
export async function connectTo(
  { name, port }: HostTarget,
  addresses: readonly HostAddress[],
  options: { readonly timeoutMs: number; readonly connect?: typeof connect | undefined },
): Promise<Socket> {
  const { timeoutMs } = options;
  const socket = (options.connect ?? connect)({
    host: name,
    port,
    noDelay: true,
    allowHalfOpen: true,
    autoSelectFamily: true,
    // The name is not resolved again: the connection goes to an address that was checked.
    lookup: (_name, _options, callback) => callback(null, [...addresses]),
  });
  const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    await once(socket, "connect");
    return socket;
  } finally {
    clearTimeout(timer);
  }
}

export type Greeting =
  | { readonly kind: "accepted"; readonly bytes: Buffer }
  /** The program left before it sent anything. */
  | { readonly kind: "left" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Reads the first bytes of a tunnel until they show which server the program means. It must be the
 * one of its CONNECT: otherwise a host of an allow-list could lead to another one behind the same
 * address.
 */
export async function readGreeting(
  socket: Duplex,
  head: Buffer,
  target: HostTarget,
  timeoutMs: number,
): Promise<Greeting> {
  let bytes = head;
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  try {
    for (let pieces = 0; pieces < maxGreetingPieces; pieces++) {
      const verdict = judgeGreeting(bytes, target);
      if (verdict !== "incomplete") return verdict;
      const chunk = await readChunk(socket);
      if (chunk === undefined)
        return bytes.length === 0 ? { kind: "left" } : { kind: "refused", reason: "its first message is cut" };
      bytes = Buffer.concat([bytes, chunk]);
    }
    return { kind: "refused", reason: "its first message comes in too many pieces" };
  } finally {
    clearTimeout(timer);
  }
}

const maxHeadBytes = 64 * 1024;
/** Each piece is another look at all that came before it. */
const maxGreetingPieces = 1_000;
const handshakeRecord = 22;

function judgeGreeting(bytes: Buffer, target: HostTarget): Greeting | "incomplete" {
  if (bytes.length === 0) return "incomplete";
  if (bytes[0] === handshakeRecord || target.port === 443) return judgeHello(bytes, target);
  if (target.port === 80) return judgeHttp(bytes, target);
  return { kind: "accepted", bytes };
}

function judgeHello(bytes: Buffer, { name }: HostTarget): Greeting | "incomplete" {
  const hello = parseClientHello(bytes);
  if (hello.kind === "incomplete") return "incomplete";
  if (hello.kind === "invalid") return { kind: "refused", reason: hello.reason };
  const serverName = hello.serverName?.toLowerCase().replace(/\.$/, "");
  if (serverName === name) return { kind: "accepted", bytes };
  const asked = serverName === undefined ? "no server" : `the server '${serverName.slice(0, 253)}'`;
  return { kind: "refused", reason: `its TLS hello names ${asked}` };
}

/** Some programs send plain HTTP through a tunnel too. */
function judgeHttp(bytes: Buffer, { name, port }: HostTarget): Greeting | "incomplete" {
  const text = bytes.toString("latin1", 0, maxHeadBytes);
  const end = text.indexOf("\r\n\r\n");
  if (end === -1)
    return text.length < maxHeadBytes ? "incomplete" : { kind: "refused", reason: "its first request has no end" };
  const hosts = [...text.slice(0, end + 2).matchAll(/\r\nhost:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)/gi)].map(([, host]) =>
    host?.toLowerCase(),
  );
  const isSame = hosts.length === 1 && (hosts[0] === name || hosts[0] === `${name}:${port}`);
  return isSame ? { kind: "accepted", bytes } : { kind: "refused", reason: "its first request names another host" };
}

/** Returns undefined at the end of the stream. */
async function readChunk(socket: Duplex): Promise<Buffer | undefined> {
  for (;;) {
    const chunk: unknown = socket.read();
    if (Buffer.isBuffer(chunk)) return chunk;
    if (socket.readableEnded || socket.destroyed) return undefined;
    await new Promise<void>((resolve) => {
      const finish = () => {
        for (const event of ["readable", "end", "close", "error"]) socket.off(event, finish);
        resolve();
      };
      for (const event of ["readable", "end", "close", "error"]) socket.once(event, finish);
    });
  }
}

/** Counts what a tunnel carries. */
export interface TunnelUse {
  bytesIn: number;
  bytesOut: number;
}

/** Copies both directions until both have ended, or neither has carried anything for a while. */
export async function carry(
  inner: Duplex,
  outer: Socket,
  idleMs: number,
  use: TunnelUse = { bytesIn: 0, bytesOut: 0 },
): Promise<void> {
  const end = Promise.withResolvers<void>();
  const closeBoth = () => {
    inner.destroy();
    outer.destroy();
  };
  const timer = setTimeout(closeBoth, idleMs);
  inner.on("data", (chunk: Buffer) => {
    use.bytesOut += chunk.length;
    timer.refresh();
  });
  outer.on("data", (chunk: Buffer) => {
    use.bytesIn += chunk.length;
    timer.refresh();
  });
  let openCount = 2;
  for (const side of [inner, outer]) {
    side.on("error", closeBoth);
    side.once("close", () => {
      // After a complete direction, the other side may still have to send what it holds.
      if (!side.readableEnded || side.errored) closeBoth();
      openCount -= 1;
      if (openCount === 0) end.resolve();
    });
  }
  inner.pipe(outer);
  outer.pipe(inner);
  await end.promise;
  clearTimeout(timer);
}
