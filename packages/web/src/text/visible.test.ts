import { expect, test } from "vitest";
import { visible, visibleText } from "./visible.ts";

test("characters that would mislead a reader are spelt out in names", () => {
  expect(visible("a\u202Ets.exe\n")).toBe(String.raw`a\u{202e}ts.exe\u{a}`);
});

test("a text keeps its lines and loses what is meant for terminals", () => {
  const text = "\u001B[31mred\u001B[0m\r\n\tplain\u001B]52;c;aGk=\u0007 \u001B]8;;https://x.example\u001B\\link";
  expect(visibleText(text)).toBe("red\n\tplain link");
  expect(visibleText("a\u202Eb\u0008")).toBe(String.raw`a\u{202e}b\u{8}`);
});
