import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const deriveKey = promisify(argon2);

/** The cost of one hash: 19 MiB of memory, read twice. */
interface Cost {
  /** Memory in KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

const currentCost: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const saltBytes = 16;
const tagBytes = 32;

interface ParsedHash extends Cost {
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const hashForm = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([\w+/-]{16,100})\$([\w+/-]{16,200})$/;

/**
 * Hashes a password with argon2id. The result has the usual text form, which contains the salt and
 * the cost, so that the cost can grow later.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const tag = await computeTag(password, { ...currentCost, salt }, tagBytes);
  return formatHash({ ...currentCost, salt, tag });
}

/** Whether the password is the one of the hash. A hash that nothing can read matches none. */
export async function matchesPassword(password: string, hash: string): Promise<boolean> {
  const parsed = parseHash(hash);
  if (!parsed) return false;
  return timingSafeEqual(await computeTag(password, parsed, parsed.tag.length), parsed.tag);
}

/** Whether a hash has another cost than new ones, so that it should be replaced. */
export function hasOldCost(hash: string): boolean {
  const parsed = parseHash(hash);
  return (
    parsed?.memory !== currentCost.memory ||
    parsed.passes !== currentCost.passes ||
    parsed.parallelism !== currentCost.parallelism
  );
}

/**
 * Passwords are compared in one Unicode form: keyboards differ in how they compose the same
 * letter.
 */
async function computeTag(
  password: string,
  { memory, passes, parallelism, salt }: Cost & { readonly salt: Buffer },
  length: number,
): Promise<Buffer> {
  const message = Buffer.from(password.normalize("NFKC"));
  const nonce = salt;
  return deriveKey("argon2id", { message, nonce, parallelism, tagLength: length, memory, passes });
}

function formatHash({ memory, passes, parallelism, salt, tag }: ParsedHash): string {
  const [saltText, tagText] = [salt, tag].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${saltText}$${tagText}`;
}

function parseHash(hash: string): ParsedHash | undefined {
  const [, memory, passes, parallelism, salt = "", tag = ""] = hashForm.exec(hash) ?? [];
  if (memory === undefined) return undefined;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}
