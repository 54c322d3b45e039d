/** Tries what must not be reachable from inside, where isolation rests on others. */
export { IsolationCheck } from "./isolation-check.ts";
