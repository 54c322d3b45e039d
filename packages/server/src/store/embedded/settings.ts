/**
 * Settings for a small, durable server: an acknowledged commit is on the disk. The command line
 * carries the settings, so that every start uses those of this version regardless of the cluster's
 * own files.
 */
const settings = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  max_connections: 100,
  shared_buffers: "64MB",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  // The memory is a file in the data folder, which is removed with the cluster and not limited by a
  // container's small /dev/shm.
  dynamic_shared_memory_type: "mmap",
  jit: "off",
  // The server runs on one machine with many small statements: no helpers for single queries, no
  // standby.
  max_parallel_workers_per_gather: 0,
  max_worker_processes: 2,
  autovacuum_max_workers: 2,
  wal_level: "minimal",
  max_wal_senders: 0,
  max_wal_size: "256MB",
  timezone: "UTC",
  log_timezone: "UTC",
  // The log holds problems of the server itself; failed statements are reported to their senders,
  // and contain people's data.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
} as const;

/** PostgreSQL 18 would start three processes for reading ahead. */
const settingsFrom18 = { io_method: "sync" } as const;

export function getPostgresArguments(major: number, socketFolder: string): string[] {
  const all = { ...settings, ...(major >= 18 && settingsFrom18), unix_socket_directories: quoteSetting(socketFolder) };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** The setting is a list, whose elements may be quoted like identifiers. */
const quoteSetting = (path: string) => `"${path.replaceAll('"', '""')}"`;
