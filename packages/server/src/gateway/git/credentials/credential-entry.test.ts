import { describe, expect, test } from "vitest";
import { CredentialEntries, describeEntry, selectEntry } from "./credential-entry.ts";

describe("the entry for a repository", () => {
  const organizationId = "11111111-1111-4111-8111-111111111111";
  const token = { token: { env: "T" } };
  const entries = CredentialEntries.parse({
    credentials: [
      { host: "github.com", ...token },
      { host: "github.com", path: "/acme", ...token },
      { host: "github.com", path: "acme/shop.git", ...token },
      { host: "github.com", path: "/acme", organization: organizationId, ...token },
      { host: "git.corp:8443", ...token },
      { host: "git.corp", ssh: { known_hosts_file: "/k" } },
    ],
  }).credentials;
  const select = (name: string, path: string, rest: object = {}) => {
    const endpoint = { protocol: "https", name, port: undefined, user: undefined, ...rest } as const;
    return entries.indexOf(selectEntry(entries, { endpoint, path, organizationId: "other", ...rest })!);
  };

  test.each([
    ["github.com", "/x/y", {}, 0],
    ["github.com", "/acme/other", {}, 1],
    ["github.com", "/acme/shop", {}, 2],
    ["github.com", "/acme/shop.git", {}, 2],
    ["github.com", "/acme/shop2", {}, 1],
    ["github.com", "/acme2/shop", {}, 0],
    ["github.com", "/acme/../x/y", {}, 0],
    ["github.com", "/ACME/%53hop.GIT", {}, 2],
    ["github.com", "/acme/%2e%2e/x", {}, 0],
    ["github.com", "/acme/100%", {}, 1],
    ["github.com", "/acme/other", { organizationId }, 3],
    ["github.com", "/acme/shop", { protocol: "ssh" }, -1],
    ["github.com.evil.example", "/acme/shop", {}, -1],
    ["git.corp", "/a", {}, -1],
    ["git.corp", "/a", { port: 8443 }, 4],
    ["git.corp", "/a", { protocol: "ssh" }, 5],
  ])("%s%s %o is number %i", (name, path, rest, index) => {
    expect(select(name, path, rest)).toBe(index);
  });

  test("is described without its secret", () => {
    expect(entries.slice(2, 6).map(describeEntry)).toEqual([
      "github.com/acme/shop (token)",
      "github.com/acme (token)",
      "git.corp:8443 (token)",
      "git.corp (ssh)",
    ]);
  });
});
