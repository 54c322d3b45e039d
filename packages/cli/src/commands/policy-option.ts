import { PermissionPolicy } from "@wharf/contract";
import type { Option } from "commander";
import { createChoiceOption } from "../input/option-values.ts";

export const createPolicyOption = (text: string): Option =>
  createChoiceOption("--policy <policy>", text, PermissionPolicy.options);
