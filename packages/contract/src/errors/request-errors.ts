import type { Catalogue } from "./catalogue-entry.ts";
import { formatBytes } from "./format-bytes.ts";

export interface RequestErrors {
  bad_request: { issues: readonly { path: string; message: string }[] };
  allowed_host_not_found: { id: string };
  forbidden_origin: { host: string };
  route_not_found: { method: string; path: string };
  method_not_allowed: { method: string; path: string; allowed: string };
  not_acceptable: { accept: string; available: readonly string[] };
  unsupported_media_type: { type: string };
  unsupported_encoding: { encoding: string };
  ambiguous_id: { what: string; id: string };
  cursor_expired: { cursor: string };
  body_too_large: { limit_bytes: number };
  idempotency_key_invalid: { value: string };
  idempotency_key_reused: { key: string };
  idempotency_in_progress: { retry_after_s: number };
  idempotency_answer_missing: { reason: string };
  idempotency_unsupported: { method: string; path: string };
  precondition_failed: { what: string; id: string; version: number };
  precondition_invalid: { value: string };
  precondition_unsupported: { method: string; path: string };
  rate_limited: { retry_after_s: number };
  too_many_requests: { limit: number; sender: "address" | "user"; retry_after_s: number };
  unsupported: { what: string };
  internal: { reference: string };
}

/** Errors that any request can meet. */
export const requestErrors: Catalogue<RequestErrors> = {
  bad_request: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ issues }) =>
      `The request is not valid: ${issues.map((i) => (i.path ? `${i.path}: ${i.message}` : i.message)).join("; ")}`,
    next: () => "Correct the request and send it again.",
  },
  allowed_host_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `The allow-lists have no entry '${id}'.`,
    next: () => "List the entries with `wharf allow`.",
  },
  forbidden_origin: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ host }) => `The server does not accept requests that name the host '${host}'.`,
    next: () =>
      "Use the address that the server printed when it started, or add the host to WHARF_ALLOWED_HOSTS and restart the server.",
  },
  route_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ method, path }) => `There is no route ${method} ${path}.`,
    next: () => "Check the path. docs/api.md and `/api/v1/openapi.json` list the server's routes.",
  },
  method_not_allowed: {
    http: 405,
    grpc: "UNIMPLEMENTED",
    message: ({ method, path }) => `${path} has no method ${method}.`,
    next: ({ allowed }) => `Use one of its methods: ${allowed}.`,
  },
  not_acceptable: {
    http: 406,
    grpc: "INVALID_ARGUMENT",
    message: ({ accept }) => `The answer has none of the types that the request accepts (${accept}).`,
    next: ({ available }) => `Send Accept: ${available.join(" or ")}, or no Accept.`,
  },
  unsupported_media_type: {
    http: 415,
    grpc: "INVALID_ARGUMENT",
    message: ({ type }) =>
      type === "" ? "The request has a body without a Content-Type." : `The body cannot be of the type '${type}'.`,
    next: () => "Send JSON, with Content-Type: application/json.",
  },
  unsupported_encoding: {
    http: 415,
    grpc: "INVALID_ARGUMENT",
    message: ({ encoding }) => `The body has the Content-Encoding '${encoding}', which the server does not read.`,
    next: () => "Send the body as it is, without Content-Encoding.",
  },
  ambiguous_id: {
    http: 409,
    grpc: "INVALID_ARGUMENT",
    message: ({ what, id }) => `More than one ${what} has an id that begins with '${id}'.`,
    next: () => "Give more characters of the id.",
  },
  cursor_expired: {
    http: 410,
    grpc: "FAILED_PRECONDITION",
    message: ({ cursor }) => `The server no longer has the events of boards after '${cursor}'.`,
    next: () => "Open the stream without a cursor, and read the tasks again.",
  },
  body_too_large: {
    http: 413,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit_bytes }) => `The request is larger than ${formatBytes(limit_bytes)}.`,
    next: () => "Send less at once, or upload the content as a file.",
  },
  idempotency_key_invalid: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ value }) => `Idempotency-Key must have 1 to 255 visible characters, not '${value}'.`,
    next: () => "Use a new UUID for each request that you may repeat.",
  },
  idempotency_key_reused: {
    http: 422,
    grpc: "INVALID_ARGUMENT",
    message: ({ key }) => `Another request was sent with the Idempotency-Key '${key}'.`,
    next: () => "Use a new key for each request. Repeat a request with the same path and body.",
  },
  idempotency_in_progress: {
    http: 409,
    grpc: "ABORTED",
    message: () => "A request with this Idempotency-Key has not ended yet.",
    next: ({ retry_after_s }) => `Repeat the request in ${retry_after_s} s.`,
  },
  idempotency_answer_missing: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `The request with this Idempotency-Key was already executed, but ${reason}.`,
    next: () => "Read what the request should have changed before you send it with another key.",
  },
  idempotency_unsupported: {
    http: 400,
    grpc: "FAILED_PRECONDITION",
    message: ({ method, path }) => `${method} ${path} cannot be repeated with an Idempotency-Key.`,
    next: () => "Send the request without Idempotency-Key.",
  },
  precondition_failed: {
    http: 412,
    grpc: "ABORTED",
    message: ({ what, version }) => `Somebody changed the ${what} after you read it: its version is now ${version}.`,
    next: ({ what }) => `Read the ${what} again. If your change is still right, send it with the new version.`,
  },
  precondition_invalid: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ value }) => `If-Match must have the ETag of an answer or '*', not '${value}'.`,
    next: () => 'Send the ETag of the answer that you read, such as "7", with its quotation marks.',
  },
  precondition_unsupported: {
    http: 412,
    grpc: "FAILED_PRECONDITION",
    message: ({ method, path }) => `${method} ${path} compares no versions, and If-Match needs that.`,
    next: () => "Send the request without If-Match.",
  },
  rate_limited: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    message: () => "Too many requests.",
    next: ({ retry_after_s }) => `Try again in ${retry_after_s} s.`,
  },
  too_many_requests: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit, sender }) =>
      sender === "user"
        ? `You have sent ${limit} requests in the last minute, and the server accepts no more.`
        : `The server accepts ${limit} requests a minute from an address without a valid token.`,
    next: ({ retry_after_s, sender }) =>
      sender === "user"
        ? `Try again in ${retry_after_s} s. Follow a stream in place of asking again and again.`
        : `Try again in ${retry_after_s} s, or send a token.`,
  },
  unsupported: {
    http: 501,
    grpc: "UNIMPLEMENTED",
    message: ({ what }) => `${what} is not supported.`,
    next: () => "Leave it out, or use an agent or a runner that supports it.",
  },
  internal: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ reference }) => `An internal error occurred in Wharf (reference ${reference}).`,
    next: () => "Search the server's log for the reference: it has the details.",
  },
};
