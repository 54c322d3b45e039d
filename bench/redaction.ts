/**
 * Measures how fast text passes through redaction with 50 known secrets, beside a plain copy: text
 * as it usually is, and text that is made to be slow. Time is processor time. Run it with
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

function measure(size: number): Figure[] {
  const secrets = new KnownSecrets();
  for (const [index, value] of values.entries()) secrets.register(`KEY_${index}`, value);
  const target = Buffer.alloc(size);
  return Object.entries(texts).map(([name, text]) => {
    const input = Buffer.alloc(size).fill(text);
    const rate = measureRate(size, () => {
      for (let offset = 0; offset < size; offset += chunkBytes)
        secrets.matcher.redact(input.subarray(offset, offset + chunkBytes), { isEnd: false });
    });
    const copied = measureRate(size, () => void input.copy(target));
    return {
      what: `redaction, ${secretCount} secrets, ${name}`,
      wharf: `${formatDigits(rate)} MB/s`,
      beside: `a plain copy ${formatDigits(copied)} MB/s`,
      ratio: rate / copied,
      ...(name.startsWith("hostile") ? {} : { hold: "200 MB/s" }),
    };
  });
}

await presentFigures(async () => measure(getSize(32) * megabyte));
