import { expect, test } from "vitest";
import { describeKey } from "./describe-key.ts";

test("no description of a key contains it", () => {
  const config = { kind: "environment", name: "GEMINI_API_KEY", value: "real-key" } as const;
  expect(describeKey(config)).toEqual({
    name: "GEMINI_API_KEY",
    advice: "Correct GEMINI_API_KEY in the server's environment and start it again.",
  });
  expect(describeKey({ kind: "file", path: "/run/key" }).name).toBe("the key in /run/key");
  const command = { kind: "command", program: "op", args: ["--secret"], environment: {}, ttlMs: 1 } as const;
  expect(describeKey(command).name).toBe("the key that `op` prints");
});
