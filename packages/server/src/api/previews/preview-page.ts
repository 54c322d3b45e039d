import type { ServerResponse } from "node:http";
import type { RemoteError, WharfError } from "@wharf/contract";
import { securityHeaders } from "../http/security-headers.ts";
import { createPagePolicy, formatPage, html } from "../pages/page.ts";

/** Answers with a page that says why there is no preview, and what to do. */
export function sendPreviewError(
  response: ServerResponse,
  { error, frameAncestors }: { readonly error: WharfError | RemoteError; readonly frameAncestors: string },
): void {
  const { status, detail, next } = error.toProblem();
  const isError = status >= 400 && status < 600;
  const page = formatPage(
    "No preview",
    html`<p role="alert">${detail}</p>
      <p>${next}</p>`,
  );
  const { "x-frame-options": _none, ...headers } = securityHeaders;
  response.writeHead(isError ? status : 502, {
    ...headers,
    "content-security-policy": createPagePolicy([], frameAncestors),
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(page),
    // The rest of the request is not read.
    connection: "close",
  });
  response.end(response.req.method === "HEAD" ? undefined : page);
}
