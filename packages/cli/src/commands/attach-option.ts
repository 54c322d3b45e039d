import { Option } from "commander";

export const attachOption = (): Option =>
  new Option("--attach <file>", "a file that goes with the prompt; may be given several times").argParser(
    (file: string, before: readonly string[] | undefined) => [...(before ?? []), file],
  );
