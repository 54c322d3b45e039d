import { PermissionPolicy } from "@wharf/contract";
import { Option } from "commander";

export const policyOption = (text: string): Option =>
  new Option("--policy <policy>", text).choices(PermissionPolicy.options);
