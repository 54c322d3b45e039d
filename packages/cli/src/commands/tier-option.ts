import { NamedTier } from "@wharf/contract";
import type { Option } from "commander";
import { createChoiceOption } from "../input/option-values.ts";

export const createTierOption = (): Option =>
  createChoiceOption("--tier <tier>", "size of the runner (default: what the agent needs)", NamedTier.options);
