import type { HostUsageReport, HostUsageRow } from "@wharf/contract";
import { formatAge, formatCount, formatInteger, formatSize } from "./numbers.ts";
import { toSingleLine } from "./safe-text.ts";
import { formatTable, maxCellLength, type TableStyle } from "./table.ts";

/** Formats the hosts that runners reached. */
export function formatHosts({ hosts, truncated }: HostUsageReport, look: TableStyle): string {
  if (hosts.length === 0) return "No connections to hosts of an allow-list.\n";
  const table = formatTable(["SENT", "RECEIVED", "CONNECTIONS", "LAST", "HOST"], hosts.map(toCells), look);
  return truncated ? `${table}${look.style.dim(`The first ${formatCount(hosts.length, "host")}.\n`)}` : table;
}

const toCells = ({ host, connections, bytes_in, bytes_out, last_at }: HostUsageRow): string[] => [
  formatSize(bytes_out),
  formatSize(bytes_in),
  formatInteger(connections),
  formatAge(last_at),
  host === null ? "others" : toSingleLine(host, maxCellLength),
];
