import type { IncomingMessage } from "node:http";
import { organizationHeader, WharfError } from "@wharf/contract";
import { type Caller, type Credentials, getSenderProof } from "../../access/index.ts";
import { findOrganizationCookie, getCredentials } from "./session-cookie.ts";

type StreamRequest = Pick<IncomingMessage, "headers" | "url">;

/**
 * Returns what a request for a stream says about its sender. A client that cannot send headers has
 * a ticket in the address, or a token if the settings allow that.
 */
export function getStreamCredentials(
  { headers, url }: StreamRequest,
  { acceptsQueryTokens }: { readonly acceptsQueryTokens: boolean },
): Credentials {
  const query = parseQuery(url);
  const ticket = query.get("ticket");
  if (ticket !== null) return { ticket };
  const token = query.get("token");
  if (token === null) return getCredentials(headers);
  if (!acceptsQueryTokens) throw new WharfError("query_token_refused", {});
  return { authorization: `Bearer ${token}`, [organizationHeader]: headers[organizationHeader] };
}

/**
 * Returns what proves the sender of a stream while it lasts. The access token of a login expires
 * earlier than the login itself, and a ticket is used up.
 */
export const getLastingCredentials = ({ headers, url }: StreamRequest, caller: Caller): Credentials => ({
  proof: getSenderProof(caller),
  [organizationHeader]: isChosenOtherwise({ headers, url }) ? caller.organization_id : headers[organizationHeader],
});

/** Whether the ticket or a cookie names the organisation, which the lasting proof does not have. */
const isChosenOtherwise = ({ headers, url }: StreamRequest): boolean =>
  parseQuery(url).has("ticket") ||
  (headers[organizationHeader] === undefined && findOrganizationCookie(headers) !== undefined);

/** Returns the address with another ticket, for the server to which the request is forwarded. */
export function replaceTicket(url: string, ticket: string): string {
  const query = parseQuery(url);
  query.set("ticket", ticket);
  return `${url.split("?")[0]}?${query.toString()}`;
}

const parseQuery = (url = ""): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "");
