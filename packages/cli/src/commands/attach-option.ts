import type { Option } from "commander";
import { createListOption } from "../input/option-values.ts";

export const createAttachOption = (): Option => createListOption("--attach <file>", "file to attach to the prompt");
