import { once } from "node:events";
import { Duplex } from "node:stream";
import WebSocket from "ws";
import { z } from "zod";
import type { ApiCall } from "../cluster/api-call.ts";
import { ApiFailure, ApiUnreachable } from "../cluster/api-failure.ts";
import type { Cluster } from "../cluster/cluster.ts";

/** Each message begins with the number of its channel. */
const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3 } as const;
const protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const connectTimeoutMs = 20_000;
/**
 * Each message holds at most this much, so that a large write does not delay a small one behind it.
 */
const maxMessageBytes = 64 * 1024;
const maxErrorCharacters = 2_000;

export interface ExecTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

const Outcome = z.object({ status: z.string().catch(""), message: z.string().catch("") });

/**
 * Runs a program in a pod through the API: writes go to its standard input, and its output is
 * readable. The stream ends with the program, and fails with the program's last error output if the
 * program fails. A slow reader blocks the program; the socket to the API server limits the speed of
 * writes. The stream sends no keepalives: users that need them send their own, as the wire does.
 */
class ExecStream extends Duplex {
  readonly #socket: WebSocket;
  #errorOutput = "";

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: false, autoDestroy: true });
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#handleMessage(data));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", (code) => {
      if (this.readableEnded || this.destroyed) return;
      // The program did not report its end: the connection was cut.
      this.destroy(
        new Error(`the stream to the pod was cut (${code})${this.#errorOutput && `: ${this.#errorOutput}`}`),
      );
    });
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    for (let offset = 0; offset < chunk.length; offset += maxMessageBytes) {
      const part = chunk.subarray(offset, offset + maxMessageBytes);
      const isLast = offset + maxMessageBytes >= chunk.length;
      this.#socket.send(Buffer.concat([Buffer.of(channel.stdin), part]), { binary: true }, (error) => {
        if (isLast || error) callback(error);
      });
    }
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket.terminate();
    callback(error);
  }

  #handleMessage(data: Buffer): void {
    const content = data.subarray(1);
    if (data[0] === channel.stdout) {
      if (content.length > 0 && !this.push(content)) this.#socket.pause();
    } else if (data[0] === channel.stderr) {
      this.#errorOutput = (this.#errorOutput + content.toString("utf8")).slice(-maxErrorCharacters);
    } else if (data[0] === channel.status) {
      const { status, message } = Outcome.parse(JSON.parse(content.toString("utf8")));
      if (status === "Success") this.push(null);
      else this.destroy(new Error(this.#errorOutput.trim() || message));
    }
  }
}

/** Resolves when the program has started; rejects with the API's answer if it has not. */
export async function openExecStream(cluster: Cluster, target: ExecTarget, signal: AbortSignal): Promise<Duplex> {
  const { namespace, pod, container, command } = target;
  const query = new URLSearchParams({ container, stdin: "true", stdout: "true", stderr: "true" });
  for (const word of command) query.append("command", word);
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query.toString()}`;
  const call: ApiCall = { verb: "get", group: "", resource: "pods/exec", namespace, name: pod };
  cluster.recordCall(call);
  signal.throwIfAborted();
  const socket = new WebSocket(cluster.address.replace(/^http/, "ws") + path, protocols, {
    ...(await cluster.streamOptions()),
    perMessageDeflate: false,
    handshakeTimeout: connectTimeoutMs,
  });
  const refused = Promise.withResolvers<never>();
  socket.on("error", (error) => refused.reject(new ApiUnreachable(call, error)));
  socket.on("unexpected-response", (request, response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("close", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      refused.reject(
        new ApiFailure(call, { status: response.statusCode ?? 0, body, retryAfter: response.headers["retry-after"] }),
      );
      request.destroy();
    });
  });
  // Create the stream before the handshake's answer: bytes that arrive with the answer must not be
  // lost.
  const stream = new ExecStream(socket);
  stream.on("error", () => undefined);
  try {
    await Promise.race([once(socket, "open", { signal }), refused.promise]);
    return stream;
  } catch (error) {
    stream.destroy();
    signal.throwIfAborted();
    throw error;
  }
}
