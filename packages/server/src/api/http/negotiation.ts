import type { IncomingHttpHeaders } from "node:http";
import { type ServerEndpoint, WharfError } from "@wharf/contract";

/** The forms of a stream that a request chooses with its query. */
const streamTypes = ["application/x-ndjson", "text/event-stream", "application/octet-stream"];

/** Lists the content types that a route can answer; an answer without content has none. */
export function listAnswerTypes({ response, responseType }: ServerEndpoint): readonly string[] {
  if (response === "none") return [];
  if (response !== "stream") return ["application/json"];
  return responseType === undefined ? streamTypes : [responseType.split(";")[0] ?? ""];
}

/** Throws if a request accepts no content type of the route. */
export function requireAcceptable(endpoint: ServerEndpoint, { accept }: IncomingHttpHeaders): void {
  const available = listAnswerTypes(endpoint);
  if (accept === undefined || available.length === 0) return;
  const ranges = accept.split(",").map(parseRange);
  if (!available.some((type) => ranges.some(({ range, isRefused }) => !isRefused && matches(range, type))))
    throw new WharfError("not_acceptable", { accept: accept.slice(0, 200), available });
}

/** Throws if a body is compressed: the limits of bodies count the bytes that arrive. */
export function requirePlainBody({ "content-encoding": encoding = "identity" }: IncomingHttpHeaders): void {
  if (encoding.toLowerCase() !== "identity")
    throw new WharfError("unsupported_encoding", { encoding: encoding.slice(0, 100) });
}

function parseRange(text: string): { readonly range: string; readonly isRefused: boolean } {
  const [range = "", ...parameters] = text.toLowerCase().split(";");
  return { range: range.trim(), isRefused: parameters.some((one) => /^\s*q\s*=\s*0(?:\.0{0,3})?\s*$/.test(one)) };
}

const matches = (range: string, type: string): boolean =>
  range === "*/*" || range === type || (range.endsWith("/*") && type.startsWith(range.slice(0, -1)));
