import { expect, test } from "vitest";
import { drawSvg } from "./draw-svg.ts";
import { parseOutput } from "./parse-output.ts";

test("output is split into lines of coloured runs with the time at which each was printed", () => {
  const lines = parseOutput([
    { time: 100, text: "\u001b[1mStart\u001b[0m of it\r\n" },
    { time: 250, text: "  \u001b[32m✓" },
    { time: 300, text: "\u001b[0m done\n" },
  ]);
  expect(lines.map((line) => line.map(({ text }) => text))).toEqual([
    ["Start", " of it"],
    ["  ", "✓", " done"],
  ]);
  expect(lines[0]?.[0]).toEqual({ text: "Start", time: 100, colour: "plain", bold: true, dim: false });
  expect(lines[1]?.[1]).toEqual({ text: "✓", time: 250, colour: "green", bold: false, dim: false });
  expect(lines[1]?.[2]).toMatchObject({ time: 300, colour: "plain" });
});

test("output that moves the cursor cannot be drawn", () => {
  expect(() => parseOutput([{ time: 0, text: "half\rwhole" }])).toThrow("cannot draw");
  expect(() => parseOutput([{ time: 0, text: "\u001b[2Kgone" }])).toThrow("cannot draw");
});

test("the picture holds all text, escaped, and scrolls when there are more lines than rows", () => {
  const lines = parseOutput([
    { time: 1000, text: "a < b & c\n" },
    { time: 2000, text: "second\n" },
    { time: 4000, text: "third\n" },
  ]);
  const svg = drawSvg(lines, { title: "a run", columns: 40, rows: 2 });
  expect(svg).toContain("a &lt; b &amp; c</tspan>");
  expect(svg).toContain('style="animation-delay:4.00s">third<');
  expect(svg).toContain("50.00% { transform: translateY(-0px) } 100.00% { transform: translateY(-19px) }");
});

test("a line that is too long continues on the next one, as on a terminal", () => {
  const lines = parseOutput([{ time: 0, text: "12345\u001b[31m67890\u001b[0mab" }]);
  const svg = drawSvg(lines, { title: "", columns: 8, rows: 5 });
  const rows = [...svg.matchAll(/<text y=.*<\/text>/g)].map(([row]) => row.replaceAll(/<[^>]*>/g, ""));
  expect(rows).toEqual(["12345678", "90ab"]);
});
