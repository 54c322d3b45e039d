/** A repository's address as people may see it in a log: without the login that somebody put into it. */
export function toDisplayUrl(url: string): string {
  const parsed = /^https?:/i.test(url) ? URL.parse(url) : undefined;
  if (!parsed || (parsed.username === "" && parsed.password === "")) return url;
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}
