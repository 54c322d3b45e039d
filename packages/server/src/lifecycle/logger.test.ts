import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const program = `
  import { createLogger } from ${JSON.stringify(join(import.meta.dirname, "logger.ts"))};
  import { KnownSecrets } from ${JSON.stringify(join(import.meta.dirname, "../redaction/index.ts"))};
  const secrets = new KnownSecrets();
  secrets.register("KEY", "-secret/value-42");
  const logger = createLogger("info", secrets);
  logger.info({ path: "C:\\\\\\\\-secret/value-42", list: ["-secret/value-42"] }, "uses -secret/value-42");
  logger.error({ error: new Error("failed: " + Buffer.from(":-secret/value-42").toString("base64")) }, "other");
  logger.info("clean");
`;

test("a line never contains a known secret, and remains JSON", async () => {
  const { stderr } = await promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program]);
  const lines = stderr
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  expect(lines).toMatchObject([
    { msg: "uses ****************", list: ["****************"] },
    { msg: "other", error: { message: expect.stringMatching(/^failed: O\*+=$/) } },
    { msg: "clean" },
  ]);
  expect(stderr).not.toContain("secret");
  expect(stderr).not.toContain(Buffer.from(":-secret/value-42").toString("base64").slice(4, -4));
});
