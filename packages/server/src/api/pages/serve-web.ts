import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { extname, join } from "node:path";
import { WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { LoginModules } from "../routes/login-routes.ts";
import { findSession, page } from "./page-requests.ts";
import { formatReturnCookie, webPaths } from "./return-path.ts";

/** In a package the build has copied the pages beside the server's code. */
const folder = [join(import.meta.dirname, "web"), join(import.meta.dirname, "../../../../web/dist/pages")].find(
  (path) => existsSync(path),
);

/** No inline script or style, no eval, and no string becomes HTML or the address of a script. */
const directives = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
] as const;

/** Only previews are shown in frames. */
function createPolicy(addresses: FrameSources, headers: IncomingHttpHeaders): string {
  const source = addresses.formatFrameSource(headers);
  return [...directives, ...(source === undefined ? [] : [`frame-src ${source}`])].join("; ");
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

interface FrameSources {
  formatFrameSource(headers: IncomingHttpHeaders): string | undefined;
}

export type WebModules = LoginModules & { readonly addresses: FrameSources };

/** The endings of the compressed files that the build writes, best first. */
const encodings = [
  { name: "br", ending: ".br" },
  { name: "gzip", ending: ".gz" },
] as const;

/**
 * Serves the pages of the browser. Every page is the same document, which finds out from its
 * address what to show; without a login it leads to `/login`. Files have a hash of their content in
 * their name, so browsers keep them forever.
 */
export async function serveWeb(app: FastifyInstance, modules: WebModules): Promise<void> {
  if (folder === undefined) return;
  const names = await readdir(folder, { recursive: true });
  serveDocument(app, modules, join(folder, "index.html"));
  for (const name of names) {
    if (types[extname(name)] !== undefined) serveFile(app, { folder, name, names });
  }
}

function serveDocument(app: FastifyInstance, modules: WebModules, path: string): void {
  let document: Promise<string> | undefined;
  for (const url of webPaths) {
    app.get(url, page, async (request, reply) => {
      // The router takes the address `*` for `/`.
      if (request.url === "*") throw new WharfError("route_not_found", { method: request.method, path: request.url });
      void reply
        .header("cache-control", "no-cache")
        .header("content-security-policy", createPolicy(modules.addresses, request.headers));
      if (!(await findSession(modules, request)))
        return reply.header("set-cookie", formatReturnCookie(request)).redirect("/login", 303);
      return reply.type("text/html; charset=utf-8").send(await (document ??= readFile(path, "utf8")));
    });
  }
}

interface WebFile {
  readonly folder: string;
  readonly name: string;
  /** All files of the folder, among them the compressed ones. */
  readonly names: readonly string[];
}

function serveFile(app: FastifyInstance, { folder, name, names }: WebFile): void {
  const contents = new Map<string, Promise<Buffer>>();
  const read = (ending: string) => {
    const content = contents.get(ending) ?? readFile(join(folder, name + ending));
    contents.set(ending, content);
    return content;
  };
  const available = encodings.filter(({ ending }) => names.includes(name + ending));
  const isHashed = name.startsWith("assets/");
  app.get(`/${name}`, page, async ({ headers }, reply) => {
    const encoding = available.find((one) => acceptsEncoding(headers["accept-encoding"], one.name));
    if (available.length > 0) void reply.header("vary", "accept-encoding");
    if (encoding) void reply.header("content-encoding", encoding.name);
    return reply
      .header("cache-control", isHashed ? "public, max-age=31536000, immutable" : "no-cache")
      .type(types[extname(name)] ?? "application/octet-stream")
      .send(await read(encoding?.ending ?? ""));
  });
}

/** A name without a weight, or with one that is not zero, is accepted. */
const acceptsEncoding = (header: string | string[] | undefined, name: string): boolean =>
  String(header ?? "")
    .split(",")
    .some((one) => new RegExp(String.raw`^\s*${name}\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$`, "i").test(one));
