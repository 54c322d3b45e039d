import { parseHostName } from "@wharf/contract";

const headerBytes = 12;
const typeA = 1;
const classInternet = 1;
const nameMissing = 3;
const notImplemented = 4;
/** Programs ask again after this time. */
const ttlSeconds = 60;

/**
 * Returns the answer to a DNS query, or undefined if it is none. Each name of a host has one IPv4
 * address and nothing else; other names do not exist.
 */
export function answerQuery(query: Buffer, getAddress: (name: string) => string): Buffer | undefined {
  if (query.length < headerBytes || query.length > 512 || (query.readUInt16BE(2) & 0x8000) !== 0) return undefined;
  const question = query.readUInt16BE(4) === 1 ? readQuestion(query) : undefined;
  if (question === undefined) return createAnswer(query, { end: headerBytes, code: notImplemented });
  const { name, type, recordClass, end } = question;
  const host = parseHostName(name);
  if (host === undefined || host === "localhost" || host.endsWith(".localhost"))
    return createAnswer(query, { end, code: nameMissing });
  if (type !== typeA || recordClass !== classInternet) return createAnswer(query, { end, code: 0 });
  return createAnswer(query, { end, code: 0, address: getAddress(host) });
}

interface Question {
  readonly name: string;
  readonly type: number;
  readonly recordClass: number;
  /** The offset after the question. */
  readonly end: number;
}

function readQuestion(query: Buffer): Question | undefined {
  const labels: string[] = [];
  let offset = headerBytes;
  for (;;) {
    const length = query[offset];
    // A length over 63 is a reference, which a question has no use for.
    if (length === undefined || length > 63) return undefined;
    offset += 1;
    if (length === 0) break;
    labels.push(query.toString("latin1", offset, offset + length));
    offset += length;
  }
  if (offset + 4 > query.length) return undefined;
  return {
    name: labels.join("."),
    type: query.readUInt16BE(offset),
    recordClass: query.readUInt16BE(offset + 2),
    end: offset + 4,
  };
}

function createAnswer(query: Buffer, { end, code, address }: { end: number; code: number; address?: string }): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  // An answer repeats the flags of its query.
  header.writeUInt16BE(0x8080 | (query.readUInt16BE(2) & 0x7900) | code, 2);
  header.writeUInt16BE(end > headerBytes ? 1 : 0, 4);
  header.writeUInt16BE(address === undefined ? 0 : 1, 6);
  const question = query.subarray(headerBytes, end);
  if (address === undefined) return Buffer.concat([header, question]);
  const record = Buffer.alloc(16);
  // The record's name is the question's, which begins after the header.
  record.writeUInt16BE(0xc0_00 | headerBytes, 0);
  record.writeUInt16BE(typeA, 2);
  record.writeUInt16BE(classInternet, 4);
  record.writeUInt32BE(ttlSeconds, 6);
  record.writeUInt16BE(4, 10);
  record.set(address.split(".").map(Number), 12);
  return Buffer.concat([header, question, record]);
}
