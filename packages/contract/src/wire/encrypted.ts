import { createHmac } from "node:crypto";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { WharfError } from "../errors/index.ts";

/**
 * TLS for a wire that crosses a network. Both ends derive its key from the runner's key, so there
 * is no certificate. A party without the key can neither read nor change the traffic, and ephemeral
 * keys protect past traffic even if the key leaks later. The wire's own handshake runs inside and
 * decides about epochs.
 */

export interface EncryptionOptions {
  /** The runner's key, in hex. */
  readonly key: string;
  readonly runnerId: string;
  readonly signal?: AbortSignal;
  /** The timeout of the TLS handshake. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 5_000;
/**
 * The suite allows only a pre-shared key with ephemeral keys, so that no certificate can replace
 * the key.
 */
const suite = { ciphers: "ECDHE-PSK-CHACHA20-POLY1305", minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;

/** Only processes that listen on or connect to a port load TLS; most daemons do neither. */
const getTls = () => process.getBuiltinModule("node:tls");

/** Opens TLS at the connecting end. On failure the stream is destroyed. */
export function connectEncrypted(stream: Duplex, options: EncryptionOptions): Promise<Duplex> {
  const psk = createTlsKey(options);
  return openWithTimeout(stream, options, ({ resolve, reject }) => {
    const socket = getTls().connect({
      ...suite,
      socket: stream,
      pskCallback: () => ({ psk, identity: options.runnerId }),
      // The suite uses no certificates.
      checkServerIdentity: () => undefined,
    });
    socket.once("secureConnect", () => resolve(socket)).on("error", reject);
  });
}

/** Opens TLS at the listening end. On failure the stream is destroyed. */
export function acceptEncrypted(stream: Duplex, options: EncryptionOptions): Promise<Duplex> {
  const psk = createTlsKey(options);
  return openWithTimeout(stream, options, ({ resolve, reject }) => {
    const pskCallback = (_: TLSSocket, identity: string) => (identity === options.runnerId ? psk : null);
    const server = getTls().createServer({ ...suite, pskCallback });
    server.once("secureConnection", resolve).on("tlsClientError", reject);
    server.emit("connection", stream);
  });
}

const createTlsKey = ({ key }: EncryptionOptions): Buffer =>
  createHmac("sha256", Buffer.from(key, "hex")).update("wharf wire 1 tls\n").digest();

type SocketResolvers = Pick<PromiseWithResolvers<TLSSocket>, "resolve" | "reject">;

async function openWithTimeout(
  stream: Duplex,
  { runnerId, signal, timeoutMs = defaultTimeoutMs }: EncryptionOptions,
  open: (opening: SocketResolvers) => void,
): Promise<Duplex> {
  const opening = Promise.withResolvers<TLSSocket>();
  const timeoutContext = { runner_id: runnerId, phase: "handshake", after_s: timeoutMs / 1000 };
  const timer = setTimeout(() => opening.reject(new WharfError("runner_timeout", timeoutContext)), timeoutMs);
  const onAbort = () => opening.reject(signal?.reason);
  const onClose = () => opening.reject(new Error("the connection was closed during the handshake"));
  signal?.addEventListener("abort", onAbort, { once: true });
  // A close event follows any later error; the error must not end the process.
  stream.once("close", onClose).on("error", opening.reject);
  try {
    signal?.throwIfAborted();
    open(opening);
    const socket = await opening.promise;
    return socket.on("error", () => undefined);
  } catch (error) {
    stream.destroy();
    signal?.throwIfAborted();
    throw toWharfError(error, runnerId);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    stream.off("close", onClose);
  }
}

function toWharfError(error: unknown, runnerId: string): unknown {
  if (!(error instanceof Error) || error instanceof WharfError) return error;
  const code = "code" in error ? String(error.code) : "";
  if (!code.startsWith("ERR_SSL_"))
    return new WharfError("runner_unavailable", { runner_id: runnerId, reason: error.message });
  const reason = `its daemon did not prove the runner's key when it opened the wire (${code})`;
  return new WharfError("runner_hostile", { runner_id: runnerId, reason }, { cause: error });
}
