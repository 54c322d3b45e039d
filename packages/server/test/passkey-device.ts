import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type { CreatedPasskey, UsedPasskey } from "../src/access/index.ts";

/** What a browser and its device put into an answer; a test changes it to attack. */
interface Answer {
  readonly origin: string;
  readonly challenge: string;
  readonly domain: string;
  /** Whether the person was present, proved themselves, and whether the key may be synchronized. */
  readonly isVerified?: boolean;
  readonly type?: string;
}

interface UseAnswer extends Answer {
  readonly counter?: number;
  readonly userHandle?: string;
}

const flags = { present: 0x01, verified: 0x04, hasCredential: 0x40 };
/** The numbers that COSE gives to the parts of a key on the curve P-256. */
const cose = { type: 1, algorithm: 3, curve: -1, x: -2, y: -3, es256: -7, ellipticCurve: 2, p256: 1 };

/** A device with one passkey: real keys and signatures, and an attestation of the kind "none". */
export class PasskeyDevice {
  readonly credentialId = randomBytes(32);
  counter = 0;
  userHandle = "";
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#privateKey = privateKey;
    this.#publicKey = publicKey;
  }

  create(options: { readonly user: { readonly id: string } }, answer: Answer): CreatedPasskey {
    this.userHandle = options.user.id;
    const { x = "", y = "" } = this.#publicKey.export({ format: "jwk" });
    const key = encodeMap([
      [cose.type, cose.ellipticCurve],
      [cose.algorithm, cose.es256],
      [cose.curve, cose.p256],
      [cose.x, Buffer.from(x, "base64url")],
      [cose.y, Buffer.from(y, "base64url")],
    ]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.credentialId.length);
    const credential = [Buffer.alloc(16), length, this.credentialId, key];
    const authData = Buffer.concat([this.#createHead(answer, flags.hasCredential), ...credential]);
    const attestation = encodeMap([
      ["fmt", "none"],
      ["attStmt", new Map<never, never>()],
      ["authData", authData],
    ]);
    return this.#toCredential({
      clientDataJSON: encodeClientData({ type: "webauthn.create", ...answer }).toString("base64url"),
      attestationObject: attestation.toString("base64url"),
    });
  }

  /** Signs a challenge. */
  use({ counter = (this.counter += 1), userHandle = this.userHandle, ...answer }: UseAnswer): UsedPasskey {
    const clientData = encodeClientData({ type: "webauthn.get", ...answer });
    const authenticatorData = this.#createHead(answer, 0, counter);
    const signed = Buffer.concat([authenticatorData, createHash("sha256").update(clientData).digest()]);
    return this.#toCredential({
      clientDataJSON: clientData.toString("base64url"),
      authenticatorData: authenticatorData.toString("base64url"),
      signature: sign("sha256", signed, this.#privateKey).toString("base64url"),
      userHandle,
    });
  }

  #createHead({ domain, isVerified = true }: Answer, more: number, counter = 0): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    const own = flags.present | (isVerified ? flags.verified : 0) | more;
    return Buffer.concat([createHash("sha256").update(domain).digest(), Buffer.from([own]), count]);
  }

  #toCredential<R>(response: R) {
    const id = this.credentialId.toString("base64url");
    return { id, rawId: id, type: "public-key" as const, response };
  }
}

const encodeClientData = ({ type = "", origin, challenge }: Answer): Buffer =>
  Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));

type CborValue = number | string | Buffer | ReadonlyMap<never, never>;

/** Encodes a map in CBOR, as far as a passkey needs it. */
const encodeMap = (entries: readonly (readonly [CborValue, CborValue])[]): Buffer =>
  Buffer.concat([encodeHead(5, entries.length), ...entries.flat().map(encodeValue)]);

function encodeValue(value: CborValue): Buffer {
  if (typeof value === "number") return value < 0 ? encodeHead(1, -1 - value) : encodeHead(0, value);
  if (typeof value === "string") return Buffer.concat([encodeHead(3, value.length), Buffer.from(value)]);
  return Buffer.isBuffer(value) ? Buffer.concat([encodeHead(2, value.length), value]) : encodeHead(5, 0);
}

function encodeHead(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  return value < 256
    ? Buffer.from([(major << 5) | 24, value])
    : Buffer.from([(major << 5) | 25, value >> 8, value & 0xff]);
}
