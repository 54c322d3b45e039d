import { WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const notUtf8 = { issues: [{ path: "", message: "the body is not valid UTF-8" }] };
const notUnicode = { issues: [{ path: "", message: "the body escapes half of a surrogate pair" }] };
/** Captures a high surrogate, the low one behind it, and a low one alone, of all escapes. */
const escapes = /\\(?:u(d[89ab]..)(\\ud[c-f]..)?|u(d[c-f]..)|.)/gis;

/**
 * Reads JSON bodies strictly: others on the way to a database or a file would substitute a
 * replacement character for invalid bytes and for half of a surrogate pair.
 */
export function setJsonBodyParser(app: FastifyInstance): void {
  app.removeContentTypeParser("text/plain");
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, (request, body, callback) => {
    let text: string;
    try {
      text = utf8.decode(body);
    } catch (cause) {
      return callback(new WharfError("bad_request", notUtf8, { cause }));
    }
    if (hasUnpairedSurrogate(text)) return callback(new WharfError("bad_request", notUnicode));
    return void parse(request, text, callback);
  });
}

const hasUnpairedSurrogate = (json: string): boolean =>
  /\\ud[89a-f]/i.test(json) &&
  json
    .matchAll(escapes)
    .some(([, high, low, alone]) => alone !== undefined || (high !== undefined && low === undefined));
