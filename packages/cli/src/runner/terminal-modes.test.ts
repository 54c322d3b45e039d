import { expect, test } from "vitest";
import { TerminalModes } from "./terminal-modes.ts";

const last = "\u001b[4l\u001b>\u001b(B\u000f\u001b[0m";

function restored(...pieces: readonly string[]): string {
  const modes = new TerminalModes();
  for (const piece of pieces) modes.track(Buffer.from(piece));
  return modes.getRestoreSequence();
}

test("reverts every changed mode, the screen first, however the bytes are split", () => {
  const said = "text\u001b[?25l\u001b[?1000;1006h\u001b[?1049h\u001b[?2004h\u001b[2;20r\u001b[5 q\u001b[>1u";
  const all = `\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?1006l\u001b[?2004l\u001b7\u001b[r\u001b8\u001b[0 q\u001b[=0u\u001b[<9u${last}`;
  expect(restored(said)).toBe(all);
  expect(restored(...Array.from(said))).toBe(all);
});

test("does not touch modes that the program restored, or a terminal without output", () => {
  expect(restored("\u001b[?1049h\u001b[?25l…\u001b[?25h\u001b[?1049l")).toBe(last);
  expect(restored("\u001b[?1049;25h")).toBe(`\u001b[?1049l${last}`);
  expect(restored("only words\n")).toBe("");
});
