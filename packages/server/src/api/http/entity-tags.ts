import { hash } from "node:crypto";
import { type ServerEndpoint, WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ExpectedVersions } from "../../store/index.ts";

declare module "fastify" {
  interface FastifyReply {
    /** The version of the row that the answer shows. */
    rowVersion?: number;
  }
}

/**
 * Reads `If-Match`, adds `ETag` to answers, and answers 304 if the caller has the same one.
 *
 *   "7.pWcBQnmZoJQ3…"
 *    │ └── digest of the answer: `If-None-Match` compares the whole tag
 *    └──── version of the row, if it has one: `If-Match` compares only this
 *
 * The tags are strong. A field that is computed for each answer, such as whether an agent is
 * available, changes the digest and not the version, so it does not make a change fail.
 */
export function serveEntityTags(app: FastifyInstance): void {
  app.addHook("preHandler", async (request) => {
    const { endpoint } = request.routeOptions.config;
    request.expectedVersions = endpoint && readExpectedVersions(endpoint, request);
  });

  app.addHook("onSend", async (request, reply, payload) => {
    if (typeof payload !== "string" || reply.statusCode < 200 || reply.statusCode > 299) return payload;
    const { method, headers } = request;
    const isRead = method === "GET" || method === "HEAD";
    if (!isRead && reply.rowVersion === undefined) return payload;
    const version = reply.rowVersion === undefined ? "" : `${reply.rowVersion}.`;
    const tag = `"${version}${hash("sha256", payload, "base64url").slice(0, 22)}"`;
    void reply.header("etag", tag);
    if (!isRead || !hasTag(headers["if-none-match"], tag)) return payload;
    void reply.status(304).removeHeader("content-type").removeHeader("content-length");
    return "";
  });
}

/** Compares weakly, as `If-None-Match` requires. */
const hasTag = (header: string | undefined, tag: string): boolean =>
  header !== undefined &&
  (header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === tag));

/** Tags are at most as long as those that this server creates, or weak. */
const tagForm = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

/**
 * Reads the versions that a request accepts. A weak tag accepts none: `If-Match` compares strongly.
 * A route that compares nothing refuses the header, because it might overwrite a change.
 */
function readExpectedVersions(route: ServerEndpoint, { method, headers }: FastifyRequest): ExpectedVersions {
  const header = headers["if-match"]?.trim();
  if (header === undefined || route.method === "GET" || route.ifMatch === "file") return undefined;
  if (route.ifMatch !== "version") throw new WharfError("precondition_unsupported", { method, path: route.path });
  if (header === "*") return undefined;
  return header.split(",").map((text) => {
    const tag = text.trim();
    if (!tagForm.test(tag)) throw new WharfError("precondition_invalid", { value: tag.slice(0, 100) });
    return Number(/^"(\d{1,15})(?:\.[\w-]*)?"$/.exec(tag)?.[1] ?? Number.NaN);
  });
}

/** Remembers the version of the row that an answer shows. */
export function setRowVersion(reply: FastifyReply, row: unknown): void {
  if (typeof row === "object" && row !== null && "version" in row && typeof row.version === "number")
    reply.rowVersion = row.version;
}
