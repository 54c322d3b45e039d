import { expect, test } from "vitest";
import { formatHostUsageCsv, formatResourceUsageCsv, formatUsageCsv } from "./usage-csv.ts";

const sums = {
  requests: 1,
  failed_requests: 0,
  estimated_requests: 0,
  implausible_requests: 0,
  unpriced_requests: 0,
  input_tokens: 2,
  cached_tokens: 3,
  cache_write_tokens: 4,
  output_tokens: 5,
  thinking_tokens: 6,
  cost_usd: 0.25,
  duration_ms: 7,
};
const from = "2026-01-01T00:00:00.000Z";
const header =
  "requests,failed_requests,estimated_requests,implausible_requests,unpriced_requests,input_tokens,cached_tokens,cache_write_tokens,output_tokens,thinking_tokens,cost_usd,duration_ms";
const cells = "1,0,0,0,0,2,3,4,5,6,0.25,7";

test("a report without rows is its total", () => {
  expect(formatUsageCsv({ from, rows: [], truncated: false, total: sums })).toBe(`${header}\r\n${cells}\r\n`);
});

test("no cell is a formula or leaves its place", () => {
  const names = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", 'a "b", c', "a\r\nb", "plain"];
  const rows = [...names.map((name, i) => ({ key: `${i}`, name, ...sums })), { key: null, ...sums }];
  const csv = formatUsageCsv({ from, group_by: "task", rows, truncated: false, total: sums });
  const shown = [
    `"'=HYPERLINK(1)"`,
    `"'+1"`,
    `"'-1"`,
    `"'@x"`,
    `"'\t=1"`,
    `"'\r=1"`,
    `"'\n=1"`,
    '"a ""b"", c"',
    '"a\r\nb"',
    "plain",
  ];
  const lines = shown.map((name, i) => `${i},${name},${cells}\r\n`);
  expect(csv).toBe(`task,name,${header}\r\n${lines.join("")},,${cells}\r\n`);
});

test("a report of resources has its columns", () => {
  const used = { running_seconds: 60, cpu_seconds: 1.5, memory_gib_hours: 0.25, storage_gib_hours: 10 };
  const rows = [{ key: "2026-01-01", ...used }];
  const csv = formatResourceUsageCsv({ from, group_by: "day", rows, truncated: false, total: used });
  expect(csv).toBe(
    "day,name,running_seconds,cpu_seconds,memory_gib_hours,storage_gib_hours\r\n2026-01-01,,60,1.5,0.25,10\r\n",
  );
});

test("a report of hosts has an empty cell for the hosts without a row", () => {
  const used = { connections: 2, bytes_in: 10, bytes_out: 20, first_at: "2026-01-01", last_at: "2026-01-02" };
  const hosts = [
    { host: "files.example", ...used },
    { host: null, ...used },
  ];
  expect(formatHostUsageCsv({ hosts, truncated: false })).toBe(
    "host,connections,bytes_in,bytes_out,first_at,last_at\r\n" +
      "files.example,2,10,20,2026-01-01,2026-01-02\r\n,2,10,20,2026-01-01,2026-01-02\r\n",
  );
});
