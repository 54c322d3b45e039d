/**
 * Measures how fast text passes through redaction with 50 known secrets, beside a loop that only
 * sums the bytes: text as it usually is, also as the texts of events and with short secrets, and
 * text that is made to be slow. Time is processor time. Run it with
 * `node bench/redaction.ts [megabytes]`.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KnownSecrets } from "../packages/server/src/redaction/index.ts";
import { formatDigits, type Figure } from "./support/figures.ts";
import { getSize, presentFigures } from "./support/program.ts";

const megabyte = 1_000_000;
const chunkBytes = 64 * 1024;
const secretCount = 50;
const rounds = 3;

const prefixes = ["sk-ant-api03-", "AIza", "sk-proj-", "ghp_", "glpat-", ""];
const values = Array.from(
  { length: secretCount },
  (_, index) => `${prefixes[index % prefixes.length]}${randomBytes(30).toString("base64url")}`,
);

const toUnicode = (text: string) => Array.from(text, (one) => `\\u00${Buffer.from(one).toString("hex")}`).join("");
const withoutEnd = values.map((value) => value.slice(0, -1));

const readFile = (path: string) => readFileSync(join(import.meta.dirname, "..", path));

/** Each is repeated up to the size. */
const texts: Readonly<Record<string, Buffer | string>> = {
  prose: readFile("docs/architecture.md"),
  JSON: readFile("package-lock.json"),
  base64: randomBytes(megabyte).toString("base64"),
  "random bytes": randomBytes(megabyte),
  "hostile: secrets without their last character": withoutEnd.join(" "),
  "hostile: the same, escaped": withoutEnd.map(toUnicode).join(" "),
  "hostile: backslashes": "\\",
};

/** Returns the megabytes per second of processor time in the fastest round. */
function measureRate(size: number, pass: () => void): number {
  const seconds = Array.from({ length: rounds }, () => {
    const from = process.cpuUsage();
    pass();
    const { user, system } = process.cpuUsage(from);
    return (user + system) / 1e6;
  });
  return size / megabyte / Math.min(...seconds);
}

function createSecrets(secretValues: readonly string[]): KnownSecrets {
  const secrets = new KnownSecrets();
  for (const [index, value] of secretValues.entries()) secrets.register(`KEY_${index}`, value);
  return secrets;
}

function sumBytes(bytes: Buffer): number {
  let sum = 0;
  for (let offset = 0; offset < bytes.length; offset++) sum = (sum + (bytes[offset] ?? 0)) | 0;
  return sum;
}

type PassChunk = (chunk: Buffer) => unknown;

function measureText(size: number, name: string, redactChunk: PassChunk): Figure {
  const [, text = ""] = Object.entries(texts).find(([known]) => name.startsWith(known)) ?? [];
  const input = Buffer.alloc(size).fill(text);
  const chunks = Array.from({ length: Math.ceil(size / chunkBytes) }, (_, index) =>
    input.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const rate = measureRate(size, () => chunks.forEach(redactChunk));
  const summed = measureRate(size, () => chunks.forEach(sumBytes));
  return {
    what: `redaction, ${secretCount} secrets, ${name}`,
    wharf: `${formatDigits(rate)} MB/s`,
    beside: `a sum of the bytes ${formatDigits(summed)} MB/s`,
    ratio: rate / summed,
    ...(name.startsWith("hostile") ? {} : { hold: "200 MB/s" }),
  };
}

function measure(size: number): Figure[] {
  const secrets = createSecrets(values);
  const shortSecrets = createSecrets(values.map((value) => value.slice(-12)));
  const redact =
    (known: KnownSecrets): PassChunk =>
    (chunk) =>
      known.matcher.redact(chunk, { isEnd: false });
  const redactEvent: PassChunk = (chunk) => secrets.redactJson({ kind: "message", text: chunk.toString("latin1") });
  return [
    ...Object.keys(texts).map((name) => measureText(size, name, redact(secrets))),
    measureText(size, "prose, the text of an event", redactEvent),
    measureText(size, "prose, secrets of 12 characters", redact(shortSecrets)),
    measureText(size, "base64, secrets of 12 characters", redact(shortSecrets)),
  ];
}

await presentFigures(async () => measure(getSize(32) * megabyte));
