import { describe, expect, test } from "vitest";
import { getTextWidth, truncateText } from "./columns.ts";
import { formatAge, formatDuration, formatSize } from "./numbers.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import { createStyle } from "./style.ts";
import { formatFields, formatTable } from "./table.ts";
import { TextBlock } from "./text-block.ts";

const plain = createStyle(false);

describe("text for a terminal", () => {
  test("loses all control sequences and keeps its content", () => {
    expect(toSafeText("\u001b[2J\u001b[31mred\u001b[0m \u001b]0;title\u0007done\u001b]52;c;aGk=\u001b\\!")).toBe(
      "red done!",
    );
    expect(toSafeText("a\rb\u0008c\u009b31md\tE\r\nf")).toBe("abc31md\tE\nf");
    expect(toSafeText("rm \u202Egpj.exe")).toBe("rm gpj.exe");
  });

  test("fits on one line without cutting a letter in two", () => {
    expect(toSingleLine("  a\n\n b\t c ")).toBe("a b c");
    expect(toSingleLine("👍".repeat(10), 4)).toBe("👍👍👍…");
  });
});

describe("a text that comes in chunks", () => {
  test("is the same text however it is split", () => {
    const text = "\n\nfirst line\nsecond\n\n\n\nthird: a b\n\n";
    const whole = new TextBlock("  ").add(text);
    expect(whole).toBe("  first line\n  second\n\n  third: a b");
    for (let cut = 1; cut < text.length; cut++) {
      const block = new TextBlock("  ");
      expect(block.add(text.slice(0, cut)) + block.add(text.slice(cut)), `cut at ${cut}`).toBe(whole);
    }
    const letters = new TextBlock("  ");
    expect(Array.from(text, (letter) => letters.add(letter)).join("")).toBe(whole);
  });

  test("holds back blank lines at its end", () => {
    const block = new TextBlock("");
    expect(block.add("one\n\n")).toBe("one");
    expect(block.add("two")).toBe("\n\ntwo");
  });
});

describe("a table", () => {
  test("aligns columns by visible width: colours count zero, wide letters two", () => {
    expect(getTextWidth("日本")).toBe(4);
    const colour = createStyle(true);
    const text = formatTable(
      ["A", "B"],
      [
        [colour.red("x"), "1"],
        ["日本", "2"],
      ],
      { style: plain },
    );
    expect(text.split("\n").map(toSafeText)).toEqual(["A     B", "x     1", "日本  2", ""]);
  });

  test("counts marks as zero columns, and wide letters and emoji as two", () => {
    const texts = ["é", "e\u0301", "한글", "𠀀", "👩‍👩‍👧", "❤️", "❤", "🇩🇪", "\u200b", "—"];
    expect(texts.map(getTextWidth)).toEqual([1, 1, 4, 2, 2, 2, 1, 2, 0, 1]);
  });

  test("truncates text between letters and keeps its colours intact", () => {
    expect([
      truncateText("abcdef", 6),
      truncateText("abcdefg", 6),
      truncateText("日本語です", 6),
      truncateText("日本語です", 5),
    ]).toEqual(["abcdef", "abcde…", "日本…", "日本…"]);
    const cut = truncateText(`${createStyle(true).red("abcdef")}gh`, 4);
    expect([toSafeText(cut), cut.endsWith("m")]).toEqual(["abc…", true]);
    expect(cut).toBe(`${createStyle(true).red("abc…")}`);
  });

  test("fits a terminal of any width by narrowing its widest columns, not the ids", () => {
    const header = ["TASK", "STATE", "TITLE"];
    const rows = [
      ["0b0e1f9c", "IN_PROGRESS", "x".repeat(300)],
      ["1b0e1f9c", "TODO", "日本".repeat(100)],
    ];
    for (const width of [200, 80, 45, 30, 12, 1]) {
      const lines = formatTable(header, rows, { style: plain, width }).trimEnd().split("\n");
      expect(lines.map(getTextWidth).filter((columns) => columns > width)).toEqual([]);
      if (width >= 30) expect(lines[1]).toMatch(/^0b0e1f9c  .*…$/);
    }
    expect(formatTable(header, rows, { style: plain })).toContain("x".repeat(300));
    expect(formatTable(["A"], [["x"]], { style: plain, width: 80 })).toBe("A\nx\n");
  });

  test("omits fields without a value and indents further lines below the first", () => {
    expect(
      formatFields(
        [
          ["a", "1"],
          ["name", undefined],
          ["bb", "2\n3"],
        ],
        plain,
      ),
    ).toBe("  a   1\n  bb  2\n      3\n");
  });
});

test("formats times and sizes for people", () => {
  expect([50, 61_000, 3_720_000].map(formatDuration)).toEqual(["0.1 s", "1 min 1 s", "1 h 2 min"]);
  expect([12, 1536, 150 * 1024 ** 2].map(formatSize)).toEqual(["12 B", "1.5 kB", "150 MB"]);
  expect(formatAge("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:00:00Z"))).toBe("2 h ago");
});
