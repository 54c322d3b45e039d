/** Each label has at most 63 characters; internal names use underscores too. */
const namePattern =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const ipv4Pattern = /^\d+(?:\.\d+){3}$/;

/**
 * Returns the form of a host's name that is compared and resolved: ASCII, in lower case, without a
 * trailing dot. Returns undefined for addresses in any notation and for everything that is no name.
 */
export function parseHostName(text: string): string | undefined {
  // A port, a login, an escape or brackets would mean something else to `URL`.
  if (!/^[^\s\0/?#@:\\%[\]]{1,255}$/.test(text)) return undefined;
  if (!URL.canParse(`http://${text}`)) return undefined;
  const name = new URL(`http://${text}`).hostname.replace(/\.$/, "");
  return namePattern.test(name) && !ipv4Pattern.test(name) ? name : undefined;
}
