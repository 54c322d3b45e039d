import { randomBytes } from "node:crypto";

/** What a preview shows. */
export interface PreviewTarget {
  readonly runnerId: string;
  readonly port: number;
}

const secretBytes = 16;
const runnerBytes = 16;
const portBytes = 2;
const nameBytes = secretBytes + runnerBytes + portBytes;
const radix = 32;
const digitCount = Math.ceil((nameBytes * 8) / Math.log2(radix));
const prefix = "p-";
const form = new RegExp(`^${prefix}([0-9a-v]{${digitCount}})$`);

/**
 * Creates the first label of a preview's host name: a secret that cannot be guessed, the runner and
 * the port. One label has at most 63 characters, and a wildcard certificate covers only one.
 */
export function createPreviewName({ runnerId, port }: PreviewTarget): string {
  const portHex = port.toString(16).padStart(portBytes * 2, "0");
  const hex = `${randomBytes(secretBytes).toString("hex")}${runnerId.replaceAll("-", "")}${portHex}`;
  return `${prefix}${BigInt(`0x${hex}`).toString(radix).padStart(digitCount, "0")}`;
}

/** Returns undefined for a label that is none of a preview. */
export function parsePreviewName(name: string): PreviewTarget | undefined {
  const digits = form.exec(name)?.[1];
  if (digits === undefined) return undefined;
  let value = 0n;
  for (const digit of digits) value = value * BigInt(radix) + BigInt(Number.parseInt(digit, radix));
  const hex = value.toString(16).padStart(nameBytes * 2, "0");
  // The last digits have room for a number that is too large.
  if (hex.length > nameBytes * 2) return undefined;
  const runner = hex.slice(secretBytes * 2, -portBytes * 2);
  return {
    runnerId: runner.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    port: Number.parseInt(hex.slice(-portBytes * 2), 16),
  };
}
