/**
 * The hosts that runners may reach besides their model and their repository, and the hosts that
 * they asked for in vain.
 */
export { AllowLists } from "./allow-lists.ts";
