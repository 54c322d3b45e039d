/**
 * This folder tries to reach addresses that must be unreachable from a runner whose isolation the
 * daemon does not enforce itself.
 */
export { IsolationCheck } from "./isolation-check.ts";
