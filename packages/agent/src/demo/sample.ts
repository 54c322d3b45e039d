/**
 * The sample repository is a small JavaScript project without dependencies. One of its tests fails,
 * since the parser tries `m` before `ms` and so reads "250ms" as 250 minutes and a stray `s`.
 */
export const sampleFiles: Readonly<Record<string, string>> = {
  "package.json": `${JSON.stringify(
    {
      name: "tidy-duration",
      version: "1.0.0",
      description: "Reads and writes durations such as 1h 30m",
      type: "module",
      main: "src/duration.js",
      scripts: { test: "node --test" },
      license: "MIT",
    },
    undefined,
    2,
  )}\n`,
  "README.md": `# tidy-duration

Reads and writes durations such as \`1h 30m\`, \`45s\` or \`250ms\`.

    import { format, parse } from "./src/duration.js"

    parse("1h 30m")  // 5400000
    format(5400000)  // "1h 30m"

Run the tests with \`npm test\`.
`,
  "AGENTS.md": "Run the tests with `npm test`. Do not add dependencies.\n",
  "src/duration.js": `const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Milliseconds of a duration such as "1h 30m". */
export function parse(text) {
  const pattern = /(\\d+(?:\\.\\d+)?)\\s*(h|m|s|ms)/g;
  let total = 0;
  let found = false;
  for (const [, amount, unit] of text.matchAll(pattern)) {
    total += Number(amount) * units[unit];
    found = true;
  }
  if (!found) throw new TypeError(\`not a duration: \${text}\`);
  return total;
}

/** The duration as people write it, largest unit first. */
export function format(milliseconds) {
  if (milliseconds === 0) return "0ms";
  const parts = [];
  let rest = milliseconds;
  for (const [unit, size] of Object.entries(units)) {
    const amount = Math.floor(rest / size);
    if (amount > 0) parts.push(\`\${amount}\${unit}\`);
    rest -= amount * size;
  }
  return parts.join(" ");
}
`,
  "test/duration.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../src/duration.js";

test("reads hours and minutes", () => {
  assert.equal(parse("1h 30m"), 5_400_000);
});

test("reads seconds", () => {
  assert.equal(parse("45s"), 45_000);
});

test("reads milliseconds", () => {
  assert.equal(parse("250ms"), 250);
});

test("refuses what is no duration", () => {
  assert.throws(() => parse("soon"), TypeError);
});

test("writes the largest unit first", () => {
  assert.equal(format(5_400_000), "1h 30m");
});
`,
};

/** This edit fixes the sample; two additions may follow afterwards. */
export const sampleFix = { path: "src/duration.js", search: "(h|m|s|ms)/g", replace: "(ms|h|m|s)/g" } as const;

export const sampleRegressionTest = {
  path: "test/duration.test.js",
  name: "reads milliseconds after seconds",
  text: `
test("reads milliseconds after seconds", () => {
  assert.equal(parse("1s 250ms"), 1_250);
});
`,
} as const;

export const sampleChange = {
  path: "CHANGELOG.md",
  title: "# Changes\n",
  line: '- "250ms" is read as milliseconds, not as minutes.\n',
} as const;
