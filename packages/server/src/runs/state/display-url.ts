/** Returns a repository's address for display in a log, without any login in it. */
export function toDisplayUrl(url: string): string {
  const parsed = /^https?:/i.test(url) ? URL.parse(url) : undefined;
  if (!parsed || (parsed.username === "" && parsed.password === "")) return url;
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}
