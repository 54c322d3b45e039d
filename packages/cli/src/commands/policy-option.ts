import { PermissionPolicy } from "@wharf/contract";
import type { Option } from "commander";
import { choiceOption } from "../option-values.ts";

export const policyOption = (text: string): Option => choiceOption("--policy <policy>", text, PermissionPolicy.options);
