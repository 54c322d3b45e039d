import { gzipSync } from "node:zlib";
import { z } from "zod";
import type { JsonSchema, Operation } from "../api-walk/operations.ts";
import type { PlannedRequest } from "../api-walk/requests.ts";
import { createSample, createTextBodies } from "./sample-values.ts";

/** A body that no operation may accept. */
export interface MalformedBody extends Pick<PlannedRequest, "contentType" | "headers"> {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const jsonType = "application/json";
const manyLevels = 100_000;
/** Deeper than values that the database stores. */
const unstorableLevels = 70;
/** More than the limit of any body. */
const hugeBytes = 17 << 20;
/** Input of programs and contents of files may be any bytes, and a search for NUL finds nothing. */
const binaryFields: ReadonlySet<string> = new Set([
  "after",
  "content",
  "data",
  "exclude",
  "include",
  "new_text",
  "old_text",
  "pattern",
  "query",
  "stdin",
]);
const unpairedSurrogate = "\uD800";

/** Creates the bodies that an operation must refuse, whatever its schema is. */
export function createMalformedBodies({ body }: Operation): MalformedBody[] {
  if (!body) return [];
  const sample = Buffer.from(JSON.stringify(createSample(body.schema)));
  const encoded = ["gzip", "br", "deflate", "gzip, gzip"].map((encoding) => ({
    name: `cut ${encoding}`,
    bytes: gzipSync(sample).subarray(0, 12),
    contentType: body.type,
    headers: { "content-encoding": encoding },
  }));
  if (body.type !== jsonType) return encoded;
  const typed = ["text/plain", "application/xml", "multipart/form-data", "application/x-ndjson"].map((contentType) => ({
    name: `the content type ${contentType}`,
    bytes: sample,
    contentType,
    headers: {},
  }));
  const texts = Object.entries(createMalformedTexts(body.schema)).map(([name, bytes]) => ({
    name,
    bytes: Buffer.from(bytes),
    contentType: jsonType,
    headers: {},
  }));
  return [...encoded, ...typed, ...texts];
}

function createMalformedTexts(schema: JsonSchema | undefined): Record<string, Uint8Array | string> {
  const text = JSON.stringify(createSample(schema));
  const fields = z.record(z.string(), z.unknown()).safeParse(createSample(schema)).data ?? {};
  const withField = (name: string, value: string) =>
    `${JSON.stringify(fields).slice(0, -1)}${Object.keys(fields).length > 0 ? "," : ""}${JSON.stringify(name)}:${value}}`;
  return {
    "invalid UTF-8 in a name": Buffer.concat([Buffer.from('{"'), Buffer.of(0xff), Buffer.from('":1}')]),
    "an unpaired surrogate as bytes": Buffer.concat([
      Buffer.from('{"x":"'),
      Buffer.of(0xed, 0xa0, 0x80),
      Buffer.from('"}'),
    ]),
    "overlong UTF-8": Buffer.concat([Buffer.from('{"x":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')]),
    "UTF-16": Buffer.from(text, "utf16le"),
    "UTF-16 with a mark": Buffer.from(`\uFEFF${text}`, "utf16le"),
    "a NUL byte after the body": `${text}\0`,
    "JSON without its end": text.slice(0, -1),
    "two values": `${text}${text}`,
    "a comment": `/* */${text}`,
    "single quotes": "{'x':1}",
    "a number": "1",
    "a text": '"x"',
    "a list": "[]",
    "a prototype": withField("__proto__", '{"is_operator":true}'),
    "a prototype of a constructor": withField("constructor", '{"prototype":{"is_operator":true}}'),
    "a list of many levels": "[".repeat(manyLevels) + "]".repeat(manyLevels),
    "many levels without an end": "[".repeat(manyLevels),
    "huge blanks": " ".repeat(hugeBytes) + text,
    ...Object.fromEntries(
      createTextBodies(schema, unpairedSurrogate).map(({ path, value }) => [
        `half a character in ${path.join(".")}`,
        JSON.stringify(value),
      ]),
    ),
    ...Object.fromEntries(
      createTextBodies(schema, "a\0b")
        .filter(({ path }) => !binaryFields.has(path[0] ?? ""))
        .map(({ path, value }) => [`NUL in ${path.join(".")}`, JSON.stringify(value)]),
    ),
    ...Object.fromEntries(
      createTextBodies(schema, "").map(({ path: [name = ""] }) => [
        `many levels in ${name}`,
        JSON.stringify({ ...fields, [name]: JSON.parse("[".repeat(unstorableLevels) + "]".repeat(unstorableLevels)) }),
      ]),
    ),
  };
}
