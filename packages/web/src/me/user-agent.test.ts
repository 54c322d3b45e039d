import { expect, test } from "vitest";
import { formatUserAgent } from "./user-agent.ts";

const webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox on Linux"],
  [`Mozilla/5.0 (Linux; Android 16; K) ${webkit} Chrome/156.0.0.0 Mobile Safari/537.36`, "Chrome on Android"],
  [`Mozilla/5.0 (Windows NT 10.0; Win64) ${webkit} Chrome/156.0 Safari/537.36 Edg/156.0`, "Edge on Windows"],
  [`Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) ${webkit} Version/26.0 Safari/604.1`, "Safari on iPhone"],
  ["wharf/0.1.0 linux", "wharf/0.1.0 linux"],
  ["curl\u202E/8", String.raw`curl\u{202e}/8`],
])("%s is %s", (text, name) => expect(formatUserAgent(text)).toBe(name));
