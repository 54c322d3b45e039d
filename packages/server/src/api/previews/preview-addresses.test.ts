import { expect, test } from "vitest";
import { PreviewAddresses } from "./preview-addresses.ts";
import { createPreviewName, parsePreviewName } from "./preview-name.ts";

const target = { runnerId: "0b0e1f9c-4d1b-4c58-9a39-0d6f2b7e8c11", port: 3_000 };
const site = { publicUrl: new URL("https://wharf.example.com:8443"), domain: "preview.example.net" };
const local = new PreviewAddresses({ getPort: () => 4_000 });
const team = new PreviewAddresses({ site, getPort: () => 4_000 });

test("a name has one label with the runner, the port and a secret", () => {
  const name = createPreviewName(target);
  expect(name).toMatch(/^p-[0-9a-v]{55}$/);
  expect(parsePreviewName(name)).toEqual(target);
  expect(createPreviewName(target)).not.toBe(name);
  for (const wrong of ["p-1", `p-${"v".repeat(55)}`, name.slice(1), `${name}0`, name.toUpperCase()])
    expect(parsePreviewName(wrong), wrong).toBeUndefined();
});

test.each([
  [local, "localhost:4123", "http://NAME.localhost:4123/", "http://*.localhost:4123"],
  [local, "127.0.0.1:4123", "http://NAME.localhost:4123/", "http://*.localhost:4123"],
  [local, "[::1]:4123", "http://NAME.localhost:4123/", "http://*.localhost:4123"],
  [local, "localhost", "http://NAME.localhost:4000/", "http://*.localhost:4000"],
  [team, "wharf.example.com:8443", "https://NAME.preview.example.net:8443/", "https://*.preview.example.net:8443"],
  [team, "localhost:4000", "http://NAME.localhost:4000/", "http://*.localhost:4000"],
])("%# a client at %s opens %s", (addresses, host, url, source) => {
  expect(addresses.createUrl("NAME", { host })).toBe(url);
  expect(addresses.formatFrameSource({ host })).toBe(source);
});

test("a client that no name can reach is told so", () => {
  expect(() => local.createUrl("NAME", { host: "10.0.0.4:4000" })).toThrow("10.0.0.4:4000");
  expect(local.formatFrameSource({ host: "10.0.0.4:4000" })).toBeUndefined();
});

test("only a name below a domain of previews is one, and only Wharf's pages show it", () => {
  const name = createPreviewName(target);
  expect(local.findName({ host: `${name}.localhost:4000` })).toBe(name);
  expect(team.findName({ host: `${name.toUpperCase()}.Preview.example.net` })).toBe(name);
  for (const host of [
    `${name}.example.com`,
    `${name}.preview.example.net`,
    `a.${name}.localhost`,
    name,
    "localhost",
    "",
  ])
    expect(local.findName({ host }), host).toBeUndefined();
  expect(local.formatFrameAncestors({ host: `${name}.localhost:4000` })).toBe(
    "http://localhost:4000 http://127.0.0.1:4000",
  );
  expect(team.formatFrameAncestors({ host: `${name}.preview.example.net:8443` })).toBe(
    "https://wharf.example.com:8443",
  );
});
