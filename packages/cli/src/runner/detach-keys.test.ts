import { expect, test } from "vitest";
import { DetachKeys } from "./detach-keys.ts";

const typed = (...pieces: string[]) => {
  const keys = new DetachKeys();
  const read = pieces.map((piece) => keys.read(Buffer.from(piece)));
  return { sent: read.map(({ send }) => send.toString()).join(""), detach: read.at(-1)?.detach };
};

test("ctrl-p ctrl-t takes over, and is not sent", () => {
  const { send, ...keys } = new DetachKeys().read(Buffer.from("a\u0010\u0014b"));
  expect({ sent: send.toString(), ...keys }).toEqual({ sent: "ab", detach: false, take: true });
});

test("ctrl-p ctrl-q detaches, also in two pieces, and ctrl-p before any other key is sent", () => {
  expect(typed("ab\u0010\u0011")).toEqual({ sent: "ab", detach: true });
  expect(typed("a\u0010", "\u0011")).toEqual({ sent: "a", detach: true });
  expect(typed("\u0010b\u0011")).toEqual({ sent: "\u0010b\u0011", detach: false });
  expect(typed("\u0010\u0010\u0011")).toEqual({ sent: "\u0010", detach: true });
  expect(typed("grüße\u0010")).toEqual({ sent: "grüße", detach: false });
});
