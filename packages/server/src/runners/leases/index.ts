/** Leases on runners: their rows, and the tenures of this process. */
export {
  requestHolders,
  createLease,
  fenceLease,
  type Lease,
  LeaseLost,
  moveLease,
  ownsRunner,
  raiseEpoch,
  takeLease,
  toArray,
} from "./lease.ts";
export { LeaseKeeper } from "./lease-keeper.ts";
export { Tenure } from "./tenure.ts";
