import { visible } from "../text/index.ts";

/** What the header of a browser contains, and its name. Most headers have several of them. */
const browsers = [
  ["Edg", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;

const systems = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS", "macOS"],
  ["Linux", "Linux"],
] as const;

const maxLength = 80;

/** Returns a name such as "Firefox on Linux", or what a program says about itself. */
export function formatUserAgent(text: string): string {
  const find = (names: typeof browsers | typeof systems) => names.find(([part]) => text.includes(part))?.[1];
  const browser = text.startsWith("Mozilla/") ? find(browsers) : undefined;
  if (browser === undefined) return visible(text.slice(0, maxLength));
  const system = find(systems);
  return system === undefined ? browser : `${browser} on ${system}`;
}
