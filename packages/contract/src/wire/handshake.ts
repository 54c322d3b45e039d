import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import { WharfError } from "../errors/index.ts";
import { readExactly } from "./read-exactly.ts";

/**
 * How a wire opens. Each side proves that it holds the runner's key without showing it, and the server's lease epoch
 * is part of what is proved, so an old server cannot be taken for the present one.
 *
 *   daemon → server   magic, the daemon's nonce
 *   server → daemon   magic, the server's nonce, the epoch, proof
 *   daemon → server   verdict, the highest epoch the daemon has seen, proof
 *
 * A proof is an HMAC over the direction and all that was said before, the runner's id included; with two fresh nonces
 * it is good for this wire only, and cannot be sent back to where it came from. Messages have fixed lengths, and not a
 * byte is read beyond them.
 */

export interface HandshakeOptions {
  /** Hex, at least 16 bytes. */
  readonly key: string;
  readonly runnerId: string;
  readonly signal?: AbortSignal;
  /** How long the peer may take for all of it. */
  readonly timeoutMs?: number;
}

const MAGIC = Buffer.from("wharf/1\n");
const NONCE_BYTES = 32;
const EPOCH_BYTES = 8;
const PROOF_BYTES = 32;
const OFFER_BYTES = MAGIC.length + NONCE_BYTES;
const CHALLENGE_BYTES = MAGIC.length + NONCE_BYTES + EPOCH_BYTES + PROOF_BYTES;
const ANSWER_BYTES = 1 + EPOCH_BYTES + PROOF_BYTES;
const MIN_KEY_BYTES = 16;
const TIMEOUT_MS = 5000;
const Verdict = { accepted: 1, superseded: 2 } as const;

/** The server's side. Resolves when the daemon has proved itself and taken the epoch. */
export async function acceptWire(
  duplex: Duplex,
  options: HandshakeOptions & { readonly epoch: number },
): Promise<void> {
  const key = keyOf(options);
  const epoch = epochBytes(options.epoch);
  await guarded(duplex, options, async (read) => {
    const offer = await read(OFFER_BYTES, MAGIC);
    const said = Buffer.concat([MAGIC, randomBytes(NONCE_BYTES), epoch]);
    const transcript = Buffer.concat([offer, said]);
    duplex.write(Buffer.concat([said, prove(key, "server", transcript, options.runnerId)]));

    const answer = await read(ANSWER_BYTES);
    const verdict = answer.subarray(0, 1 + EPOCH_BYTES);
    const proof = prove(key, "daemon", Buffer.concat([transcript, verdict]), options.runnerId);
    if (!timingSafeEqual(proof, answer.subarray(1 + EPOCH_BYTES)))
      throw hostile(options.runnerId, "it does not know the runner's key");
    if (verdict[0] === Verdict.superseded) throw new WireSuperseded(Number(verdict.readBigUInt64BE(1)), options.epoch);
    if (verdict[0] !== Verdict.accepted) throw hostile(options.runnerId, "its answer to the handshake has no meaning");
  });
}

/** The daemon's side. Refuses a server whose epoch is lower than `lastEpoch`, the highest it has seen. */
export async function offerWire(
  duplex: Duplex,
  options: HandshakeOptions & { readonly lastEpoch: number },
): Promise<{ epoch: number }> {
  const key = keyOf(options);
  const lastEpoch = epochBytes(options.lastEpoch);
  return guarded(duplex, options, async (read) => {
    const offer = Buffer.concat([MAGIC, randomBytes(NONCE_BYTES)]);
    duplex.write(offer);

    const challenge = await read(CHALLENGE_BYTES, MAGIC);
    const said = challenge.subarray(0, CHALLENGE_BYTES - PROOF_BYTES);
    const transcript = Buffer.concat([offer, said]);
    const proof = prove(key, "server", transcript, options.runnerId);
    if (!timingSafeEqual(proof, challenge.subarray(said.length)))
      throw hostile(options.runnerId, "the server does not know the runner's key");

    const epoch = Number(said.readBigUInt64BE(MAGIC.length + NONCE_BYTES));
    const stale = epoch < options.lastEpoch;
    const verdict = Buffer.concat([Buffer.of(stale ? Verdict.superseded : Verdict.accepted), lastEpoch]);
    const answer = Buffer.concat([
      verdict,
      prove(key, "daemon", Buffer.concat([transcript, verdict]), options.runnerId),
    ]);
    if (!stale) {
      duplex.write(answer);
      return { epoch };
    }
    // The server is to read why before the wire goes.
    await new Promise<void>((resolve) => duplex.write(answer, () => resolve()));
    throw new WireSuperseded(options.lastEpoch, epoch);
  });
}

type Read = (bytes: number, prefix?: Buffer) => Promise<Buffer>;

/** Runs one side within its time. Whatever goes wrong, the duplex is destroyed and the error is one of the catalogue. */
async function guarded<T>(duplex: Duplex, options: HandshakeOptions, side: (read: Read) => Promise<T>): Promise<T> {
  const { runnerId, signal, timeoutMs = TIMEOUT_MS } = options;
  // Stays: between the handshake and the mux a lost connection must not end the process.
  duplex.on("error", () => {});
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
    const read: Read = async (bytes, prefix) => {
      const start = prefix ? await readExactly(duplex, prefix.length, abort.signal) : Buffer.alloc(0);
      if (prefix && start && !start.equals(prefix)) throw hostile(runnerId, "it does not speak the wire's protocol");
      const rest = start && (await readExactly(duplex, bytes - start.length, abort.signal));
      if (!start || !rest)
        throw new WharfError("runner_unavailable", {
          runner_id: runnerId,
          reason: "the connection was closed during the handshake",
        });
      return Buffer.concat([start, rest]);
    };
    return await Promise.race([side(read), stopped]);
  } catch (error) {
    duplex.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function prove(key: Buffer, from: "server" | "daemon", transcript: Buffer, runnerId: string): Buffer {
  return createHmac("sha256", key).update(`wharf wire 1 ${from}\n`).update(transcript).update(runnerId).digest();
}

function keyOf({ key }: HandshakeOptions): Buffer {
  const bytes = Buffer.from(key, "hex");
  if (bytes.length >= MIN_KEY_BYTES && bytes.length * 2 === key.length) return bytes;
  throw new WharfError("config_invalid", {
    name: "wire key",
    reason: `it must be at least ${MIN_KEY_BYTES} bytes in hex`,
  });
}

function epochBytes(epoch: number): Buffer {
  const bytes = Buffer.alloc(EPOCH_BYTES);
  bytes.writeBigUInt64BE(BigInt(epoch));
  return bytes;
}

function hostile(runnerId: string, reason: string): WharfError {
  return new WharfError("runner_hostile", { runner_id: runnerId, reason });
}

/** The daemon has accepted a wire of a higher epoch before. */
export class WireSuperseded extends WharfError<"conflict"> {
  readonly highestEpoch: number;

  constructor(highestEpoch: number, offeredEpoch: number) {
    super("conflict", {
      what: "wire",
      from: `leased under epoch ${highestEpoch}`,
      to: `leased under epoch ${offeredEpoch}`,
    });
    this.highestEpoch = highestEpoch;
  }
}
