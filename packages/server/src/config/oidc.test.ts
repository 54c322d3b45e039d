import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

const complete = {
  WHARF_PUBLIC_URL: "https://wharf.example.com",
  WHARF_OIDC_ISSUER: "https://login.example.com",
  WHARF_OIDC_CLIENT_ID: "wharf",
};

test("a provider needs only its issuer, an id and the address of the server", () => {
  expect(readConfig({}).oidc).toBeUndefined();
  expect(readConfig(complete).oidc).toMatchObject({
    name: "login.example.com",
    scopes: "openid email profile",
    domains: [],
    claims: [],
    newAccounts: "none",
  });
  expect(readConfig({ ...complete, WHARF_OIDC_CLAIMS: "groups=a, groups=b=c" }).oidc?.claims).toEqual([
    { name: "groups", value: "a" },
    { name: "groups", value: "b=c" },
  ]);
});

test("the secret comes from a variable, a file or a command", () => {
  const read = (more: object) => readConfig({ ...complete, ...more }).oidc?.clientSecret;
  expect(read({})).toBeUndefined();
  expect(read({ WHARF_OIDC_CLIENT_SECRET: "x" })).toMatchObject({ kind: "environment", value: "x" });
  expect(read({ WHARF_OIDC_CLIENT_SECRET_FILE: "/run/secret" })).toEqual({ kind: "file", path: "/run/secret" });
  expect(read({ WHARF_OIDC_CLIENT_SECRET_COMMAND: "op read op://wharf/oidc" })).toMatchObject({
    kind: "command",
    program: "op",
    args: ["read", "op://wharf/oidc"],
  });
});

test.each([
  [{ WHARF_PUBLIC_URL: undefined }, "WHARF_PUBLIC_URL"],
  [{ WHARF_PUBLIC_URL: "https://wharf.example.com/path" }, "WHARF_PUBLIC_URL"],
  [{ WHARF_OIDC_CLIENT_ID: undefined }, "WHARF_OIDC_CLIENT_ID"],
  [{ WHARF_OIDC_ISSUER: "http://login.example.com" }, "WHARF_OIDC_ISSUER"],
  [{ WHARF_OIDC_ISSUER: "login.example.com" }, "WHARF_OIDC_ISSUER"],
  [{ WHARF_OIDC_CLAIMS: "groups" }, "WHARF_OIDC_CLAIMS"],
  [{ WHARF_OIDC_SCOPES: "email" }, "WHARF_OIDC_SCOPES"],
  // Anybody may have an account at a public provider.
  [{ WHARF_OIDC_NEW_ACCOUNTS: "member" }, "WHARF_OIDC_NEW_ACCOUNTS"],
])("settings such as %j are refused", (change, name) => {
  expect(() => readConfig({ ...complete, ...change })).toThrow(name);
});

test("a provider on this machine may do without encryption", () => {
  expect(readConfig({ ...complete, WHARF_OIDC_ISSUER: "http://localhost:9000" }).oidc).toBeDefined();
});
