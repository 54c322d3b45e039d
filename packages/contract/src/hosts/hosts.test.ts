import { describe, expect, test } from "vitest";
import { getHostPatterns, hostPresets, matchesHost, parseHostName, parseHostPattern } from "./index.ts";

describe("the name of a host", () => {
  test.each([
    ["registry.npmjs.org", "registry.npmjs.org"],
    ["Registry.NPMJS.org.", "registry.npmjs.org"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["registry", "registry"],
    ["_acme.example.com", "_acme.example.com"],
    ["1password.com", "1password.com"],
  ])("%s is compared as %s", (text, name) => expect(parseHostName(text)).toBe(name));

  test.each([
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "0x7f.1",
    "2130706433",
    "１２７.0.0.1",
    "127。0。0。1",
    "[::1]",
    "::1",
    "::ffff:127.0.0.1",
    "",
    ".",
    "..",
    "a..b",
    ".example.com",
    "example.com..",
    "a b",
    "a\0b",
    "a\nb",
    "a/b",
    "a?b",
    "a#b",
    "a@b",
    "a:80",
    "a%00b",
    "%31%32%37.0.0.1",
    "-a.example",
    "a-.example",
    `${"a".repeat(64)}.example`,
    `${"a.".repeat(127)}aa`,
    "*.example.com",
  ])("%j is none", (text) => expect(parseHostName(text)).toBeUndefined());
});

describe("an entry of an allow-list", () => {
  const matches = (entry: string, name: string, port = 443) =>
    getHostPatterns(entry).some((pattern) => matchesHost(pattern, name, port));

  test("names one host and the ports of the web", () => {
    expect(matches("example.com", "example.com")).toBe(true);
    expect(matches("example.com", "example.com", 80)).toBe(true);
    expect(matches("example.com", "example.com", 8080)).toBe(false);
    expect(matches("example.com", "a.example.com")).toBe(false);
    expect(matches("example.com", "badexample.com")).toBe(false);
    expect(matches("example.com", "example.com.evil.example")).toBe(false);
  });

  test("with a star names every host below a domain, but not the domain", () => {
    expect(matches("*.example.com", "a.example.com")).toBe(true);
    expect(matches("*.example.com", "a.b.example.com")).toBe(true);
    expect(matches("*.example.com", "example.com")).toBe(false);
    expect(matches("*.example.com", "badexample.com")).toBe(false);
  });

  test("with a port names this port only", () => {
    expect(matches("example.com:8443", "example.com", 8443)).toBe(true);
    expect(matches("example.com:8443", "example.com", 443)).toBe(false);
  });

  test.each(Object.entries(hostPresets))("'%s' names its hosts, each of which is valid", (preset, { hosts }) => {
    expect(getHostPatterns(preset)).toHaveLength(hosts.length);
    for (const host of hosts) expect(matches(preset, host)).toBe(true);
    expect(matches(preset, "example.com")).toBe(false);
  });

  test.each([
    ["127.0.0.1", "expected a host"],
    ["*", "expected a host"],
    ["*.com", "a whole top-level domain"],
    ["a.*.com", "expected a host"],
    ["localhost:3000", "localhost is the runner itself"],
    ["db.localhost", "localhost is the runner itself"],
    ["example.com:22", "port 22 is never reachable"],
    ["example.com:25", "port 25 is never reachable"],
    ["example.com:0", "from 1 to 65535"],
    ["example.com:65536", "from 1 to 65535"],
    ["https://example.com", "expected a host"],
    ["example.com/path", "expected a host"],
  ])("'%s' is refused: %s", (entry, problem) => {
    expect(parseHostPattern(entry)).toEqual({ problem: expect.stringContaining(problem) });
    expect(getHostPatterns(entry)).toEqual([]);
  });
});
