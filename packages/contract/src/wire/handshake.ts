import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { WharfError } from "../errors/index.ts";
import { readExactly } from "./read-exactly.ts";

/**
 * The opening of a wire. Each side proves that it holds the runner's key without revealing it. The
 * server's lease epoch is part of the proof, so an old server cannot pose as the current one.
 *
 *   daemon → server   magic, the daemon's nonce
 *   server → daemon   magic, the server's nonce, the epoch, proof
 *   daemon → server   verdict, the highest epoch the daemon has seen, proof
 *
 * A proof is an HMAC over the direction and all earlier messages, including the runner's id. With
 * two fresh nonces a proof is valid for this wire only, and cannot be sent back to its sender.
 * Messages have fixed lengths, and no byte is read beyond them.
 */

export interface HandshakeOptions {
  /** Hex key of at least 16 bytes. */
  readonly key: string;
  readonly runnerId: string;
  readonly signal?: AbortSignal;
  /** The peer's timeout for the whole handshake. */
  readonly timeoutMs?: number;
}

const magic = Buffer.from("wharf/1\n");
const nonceBytes = 32;
const epochFieldBytes = 8;
const proofBytes = 32;
const offerBytes = magic.length + nonceBytes;
const challengeBytes = magic.length + nonceBytes + epochFieldBytes + proofBytes;
const answerBytes = 1 + epochFieldBytes + proofBytes;
const minKeyBytes = 16;
const handshakeTimeoutMs = 5000;
const Verdict = { accepted: 1, superseded: 2 } as const;

/**
 * Runs the server's side. Resolves when the daemon has proved its identity and accepted the epoch.
 */
export async function acceptWire(
  duplex: Duplex,
  options: HandshakeOptions & { readonly epoch: number },
): Promise<void> {
  const key = parseKey(options);
  const epoch = toEpochBytes(options.epoch);
  await runHandshake(duplex, options, async (read) => {
    const offer = await read(offerBytes, magic);
    const unsignedChallenge = Buffer.concat([magic, randomBytes(nonceBytes), epoch]);
    const transcript = Buffer.concat([offer, unsignedChallenge]);
    duplex.write(Buffer.concat([unsignedChallenge, createProof(key, "server", transcript, options.runnerId)]));

    const answer = await read(answerBytes);
    const verdict = answer.subarray(0, 1 + epochFieldBytes);
    const proof = createProof(key, "daemon", Buffer.concat([transcript, verdict]), options.runnerId);
    if (!timingSafeEqual(proof, answer.subarray(1 + epochFieldBytes)))
      throw createHostileError(options.runnerId, "it does not know the runner's key");
    if (verdict[0] === Verdict.superseded)
      throw new WireSupersededError(Number(verdict.readBigUInt64BE(1)), options.epoch);
    if (verdict[0] !== Verdict.accepted)
      throw createHostileError(options.runnerId, "its answer to the handshake is not valid");
  });
}

/**
 * Runs the daemon's side. Refuses a server whose epoch is lower than `lastEpoch`, the highest that
 * the daemon has seen.
 */
export async function offerWire(
  duplex: Duplex,
  options: HandshakeOptions & { readonly lastEpoch: number },
): Promise<{ epoch: number }> {
  const key = parseKey(options);
  const lastEpoch = toEpochBytes(options.lastEpoch);
  return runHandshake(duplex, options, async (read) => {
    const offer = Buffer.concat([magic, randomBytes(nonceBytes)]);
    duplex.write(offer);

    const challenge = await read(challengeBytes, magic);
    const unsignedChallenge = challenge.subarray(0, challengeBytes - proofBytes);
    const transcript = Buffer.concat([offer, unsignedChallenge]);
    const proof = createProof(key, "server", transcript, options.runnerId);
    if (!timingSafeEqual(proof, challenge.subarray(unsignedChallenge.length)))
      throw createHostileError(options.runnerId, "the server does not know the runner's key");

    const epoch = Number(unsignedChallenge.readBigUInt64BE(magic.length + nonceBytes));
    const stale = epoch < options.lastEpoch;
    const verdict = Buffer.concat([Buffer.of(stale ? Verdict.superseded : Verdict.accepted), lastEpoch]);
    const answer = Buffer.concat([
      verdict,
      createProof(key, "daemon", Buffer.concat([transcript, verdict]), options.runnerId),
    ]);
    if (!stale) {
      duplex.write(answer);
      return { epoch };
    }
    // The server must read the reason before the wire closes.
    await new Promise<void>((resolve) => duplex.write(answer, () => resolve()));
    throw new WireSupersededError(options.lastEpoch, epoch);
  });
}

type ReadBytes = (bytes: number, prefix?: Buffer) => Promise<Buffer>;

/**
 * Runs one side within its timeout. On any failure the duplex is destroyed and the error is one of
 * the catalogue.
 */
async function runHandshake<T>(
  duplex: Duplex,
  options: HandshakeOptions,
  side: (read: ReadBytes) => Promise<T>,
): Promise<T> {
  const { runnerId, signal, timeoutMs = handshakeTimeoutMs } = options;
  // The listener remains: a connection lost between the handshake and the mux must not end the
  // process.
  duplex.on("error", () => undefined);
  const abort = new AbortController();
  const timer = setTimeout(
    () =>
      abort.abort(
        new WharfError("runner_timeout", { runner_id: runnerId, phase: "handshake", after_s: timeoutMs / 1000 }),
      ),
    timeoutMs,
  );
  const onAbort = () => abort.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const stopped = new Promise<never>((_, reject) =>
    abort.signal.addEventListener("abort", () => reject(abort.signal.reason), { once: true }),
  );
  try {
    abort.signal.throwIfAborted();
    const readBytes: ReadBytes = async (bytes, prefix) => {
      const start = prefix ? await readExactly(duplex, prefix.length, abort.signal) : Buffer.alloc(0);
      if (prefix && start && !start.equals(prefix))
        throw createHostileError(runnerId, "it does not speak the wire's protocol");
      const remainder = start && (await readExactly(duplex, bytes - start.length, abort.signal));
      if (!start || !remainder)
        throw new WharfError("runner_unavailable", {
          runner_id: runnerId,
          reason: "the connection was closed during the handshake",
        });
      return Buffer.concat([start, remainder]);
    };
    return await Promise.race([side(readBytes), stopped]);
  } catch (error) {
    duplex.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function createProof(key: Buffer, sender: "server" | "daemon", transcript: Buffer, runnerId: string): Buffer {
  return createHmac("sha256", key).update(`wharf wire 1 ${sender}\n`).update(transcript).update(runnerId).digest();
}

function parseKey({ key }: HandshakeOptions): Buffer {
  const bytes = Buffer.from(key, "hex");
  if (bytes.length >= minKeyBytes && bytes.length * 2 === key.length) return bytes;
  throw new WharfError("config_invalid", {
    name: "The wire key",
    reason: `it must be at least ${minKeyBytes} bytes in hex`,
  });
}

function toEpochBytes(epoch: number): Buffer {
  const bytes = Buffer.alloc(epochFieldBytes);
  bytes.writeBigUInt64BE(BigInt(epoch));
  return bytes;
}

function createHostileError(runnerId: string, reason: string): WharfError {
  return new WharfError("runner_hostile", { runner_id: runnerId, reason });
}

/** The daemon has already accepted a wire of a higher epoch. */
export class WireSupersededError extends WharfError<"wire_superseded"> {
  readonly highestEpoch: number;

  constructor(highestEpoch: number, offeredEpoch: number) {
    super("wire_superseded", { highest_epoch: highestEpoch, offered_epoch: offeredEpoch });
    this.highestEpoch = highestEpoch;
  }
}
