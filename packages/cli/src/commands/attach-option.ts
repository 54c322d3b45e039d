import { Option } from "commander";

export const createAttachOption = (): Option =>
  new Option("--attach <file>", "a file that goes with the prompt; may be given several times").argParser(
    (file: string, previousPaths: readonly string[] | undefined) => [...(previousPaths ?? []), file],
  );
