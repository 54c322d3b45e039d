import { createHash } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import type { GitObject, ObjectStore, ObjectType } from "./objects.ts";

/** Git's packs: many objects in a row, compressed, some as a difference to another. Written here without differences. */

const types: readonly (ObjectType | undefined)[] = [undefined, "commit", "tree", "blob", "tag"];
const offsetDelta = 6;
const refDelta = 7;
const trailerBytes = 20;
const maxObjectBytes = 256 * 1024 * 1024;

export function encodePack(objects: readonly GitObject[]): Buffer {
  const head = Buffer.from("PACK\0\0\0\u0002\0\0\0\0", "latin1");
  head.writeUInt32BE(objects.length, 8);
  const pieces: Buffer[] = [head];
  for (const { type, body } of objects) pieces.push(sizeHeader(types.indexOf(type), body.length), deflateSync(body));
  const pack = Buffer.concat(pieces);
  return Buffer.concat([pack, createHash("sha1").update(pack).digest()]);
}

function sizeHeader(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 0x0f)];
  for (let left = Math.floor(size / 16); left > 0; left = Math.floor(left / 128)) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(left & 0x7f);
  }
  return Buffer.from(bytes);
}

/** Takes all objects of a pack into the store. */
export function decodePack(pack: Buffer, store: ObjectStore): void {
  if (pack.length < 12 + trailerBytes || pack.toString("latin1", 0, 4) !== "PACK" || pack.readUInt32BE(4) !== 2)
    throw new Error("this is no pack");
  const body = pack.subarray(0, -trailerBytes);
  if (!createHash("sha1").update(body).digest().equals(pack.subarray(-trailerBytes)))
    throw new Error("the pack is damaged");
  const shas = new Map<number, string>();
  let at = 12;
  for (let left = pack.readUInt32BE(8); left > 0; left--) {
    const start = at;
    const { type, next } = readHeader(body, at);
    at = next;
    let base: string | undefined;
    if (type === offsetDelta) {
      const { distance, next: after } = readDistance(body, at);
      base = shas.get(start - distance);
      at = after;
    } else if (type === refDelta) {
      base = body.toString("hex", at, at + 20);
      at += 20;
    }
    const { bytes, used } = inflate(body.subarray(at));
    at += used;
    shas.set(start, store.put(base === undefined ? whole(type, bytes) : patched(store.get(base), bytes)));
  }
}

function whole(type: number, body: Buffer): GitObject {
  const name = types[type];
  if (!name) throw new Error(`the pack holds an object of the unknown type ${type}`);
  return { type: name, body };
}

function readHeader(pack: Buffer, from: number): { type: number; next: number } {
  let at = from;
  const type = (byteAt(pack, at) >> 4) & 7;
  while (byteAt(pack, at++) & 0x80);
  return { type, next: at };
}

function readDistance(pack: Buffer, from: number): { distance: number; next: number } {
  let at = from;
  let byte = byteAt(pack, at++);
  let distance = byte & 0x7f;
  while (byte & 0x80) {
    byte = byteAt(pack, at++);
    distance = (distance + 1) * 128 + (byte & 0x7f);
  }
  return { distance, next: at };
}

function inflate(from: Buffer): { bytes: Buffer; used: number } {
  const result: unknown = inflateSync(from, { info: true, maxOutputLength: maxObjectBytes });
  // With `info` node gives both, which its types do not say.
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  return { bytes: buffer, used: engine.bytesWritten };
}

function patched(base: GitObject | undefined, delta: Buffer): GitObject {
  if (!base) throw new Error("the pack holds a difference to something that is not there");
  const from = readSize(delta, 0);
  const to = readSize(delta, from.next);
  if (from.size !== base.body.length || to.size > maxObjectBytes)
    throw new Error("a difference in the pack is damaged");
  const pieces: Buffer[] = [];
  for (let at = to.next; at < delta.length;) {
    const code = byteAt(delta, at++);
    if (code < 0x80) {
      pieces.push(delta.subarray(at, at + code));
      at += code;
      continue;
    }
    let offset = 0;
    let size = 0;
    for (let i = 0; i < 4; i++) if (code & (1 << i)) offset += byteAt(delta, at++) * 2 ** (8 * i);
    for (let i = 0; i < 3; i++) if (code & (0x10 << i)) size += byteAt(delta, at++) * 2 ** (8 * i);
    pieces.push(base.body.subarray(offset, offset + (size || 0x10000)));
  }
  const body = Buffer.concat(pieces);
  if (body.length !== to.size) throw new Error("a difference in the pack is damaged");
  return { type: base.type, body };
}

function readSize(delta: Buffer, from: number): { size: number; next: number } {
  let size = 0;
  let at = from;
  for (let factor = 1; ; factor *= 128) {
    const byte = byteAt(delta, at++);
    size += (byte & 0x7f) * factor;
    if (byte < 0x80) return { size, next: at };
  }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error("the pack is too short");
  return byte;
}
