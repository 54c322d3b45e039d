/** What requests to models and runners use, and what that costs. */
export { recordDisks, type RunnerDisk } from "./disks/record-disks.ts";
export { HostTraffic } from "./hosts/host-traffic.ts";
export { AbandonedRequests } from "./ledger/abandoned-requests.ts";
export type { BudgetAlert } from "./budgets/budget-decision.ts";
export { Budgets } from "./budgets/budgets.ts";
export { toMicroUsd, toUsd } from "./budgets/usd.ts";
export { Ledger } from "./ledger/ledger.ts";
export type { LedgerDatabase } from "./ledger/ledger-database.ts";
export type { ModelRequest, RequestOutcome, Reservation } from "./ledger/model-request.ts";
export { PriceTable } from "./prices/price-table.ts";
export { readPriceFile } from "./prices/read-price-file.ts";
export { RateLimits } from "./rates/rate-limits.ts";
export { HostReports } from "./report/host-reports.ts";
export { ResourceReports } from "./report/resource-reports.ts";
export { UsageReports } from "./report/usage-reports.ts";
export { createRunnerSample, type RunnerSample } from "./samples/runner-sample.ts";
export { recordRunnerSamples } from "./samples/record-runner-samples.ts";
export type { TokenUsage } from "./token-usage.ts";
