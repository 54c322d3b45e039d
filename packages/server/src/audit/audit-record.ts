import { type AuditContent, type AuditDetails, toOneLine } from "@wharf/contract";

/** What a module reports about an act. */
export type AuditRecord = Omit<AuditContent, "server_id">;

const maxIdBytes = 200;
const maxUserAgentBytes = 200;
const maxDetailBytes = 400;
const maxDetails = 10;

/**
 * Formats an entry's content, of which the hash is computed. Texts come from outside: each is one
 * line and short, so that the whole always fits into a row.
 */
export function formatContent(record: AuditRecord, serverId: string, redact: (text: string) => string): string {
  const toLine = (text: string, maxBytes: number): string => toOneLine(redact(text), maxBytes);
  const toReference = ({ id, name }: { id?: string | undefined; name?: string | undefined }) => ({
    ...(id !== undefined && { id: toLine(id, maxIdBytes) }),
    ...(name !== undefined && { name: toLine(name, maxIdBytes) }),
  });
  const { organization_id, actor, action, target, result, error, address, user_agent, details } = record;
  const content: AuditContent = {
    ...(organization_id !== undefined && { organization_id }),
    actor: {
      kind: actor.kind,
      ...toReference(actor),
      ...(actor.token_id !== undefined && { token_id: toLine(actor.token_id, maxIdBytes) }),
    },
    action: toLine(action, maxIdBytes),
    ...(target && { target: { kind: target.kind, ...toReference(target) } }),
    result,
    ...(error !== undefined && { error: toLine(error, maxIdBytes) }),
    ...(address !== undefined && { address: toLine(address, maxIdBytes) }),
    ...(user_agent !== undefined && { user_agent: toLine(user_agent, maxUserAgentBytes) }),
    server_id: serverId,
    ...(details && { details: toDetails(details, (text) => toLine(text, maxDetailBytes)) }),
  };
  return JSON.stringify(content);
}

/** A key that is a number would move to the front when somebody parses the entry. */
const isKey = (key: string): boolean => /^[a-z][a-z_]*$/.test(key);

function toDetails(details: AuditDetails, toLine: (text: string) => string): AuditDetails {
  const entries = Object.entries(details).filter(([key, value]) => isKey(key) && value !== undefined);
  const bounded = entries.slice(0, maxDetails);
  return Object.fromEntries(bounded.map(([key, value]) => [key, typeof value === "string" ? toLine(value) : value]));
}
