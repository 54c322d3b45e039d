import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { readConfig } from "./read-config.ts";

const config = {
  runner_id: "r",
  wire_key: "ab",
  wire: { by: "connect", path: "/s" },
  workspace: "/w",
  home: "/h",
  state: "/t",
  isolation: "sandbox",
};

test("the configuration is read from pieces, with and without the end of the input", async () => {
  const text = JSON.stringify(config, null, 2);
  expect(await readConfig(Readable.from([text.slice(0, 20), text.slice(20)]))).toEqual({
    ...config,
    relay_port: 4100,
    serves_names: false,
    registries: [],
    stop_grace_ms: 12_000,
    git_timeout_ms: 300_000,
  });
  const open = new PassThrough();
  open.write(`${JSON.stringify(config)}\n`);
  expect(await readConfig(open)).toMatchObject({ runner_id: "r" });
});

test("an invalid configuration is refused with its reason", async () => {
  await expect(readConfig(Readable.from(["{"]))).rejects.toMatchObject({ code: "config_invalid" });
  await expect(readConfig(Readable.from([JSON.stringify({ ...config, state: 1 })]))).rejects.toThrow(/state/);
  await expect(readConfig(Readable.from(["x".repeat(70_000)]))).rejects.toThrow(/longer/);
});
