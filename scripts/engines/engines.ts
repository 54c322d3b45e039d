import { agents } from "./agents/engine.ts";
import { docker } from "./docker/engine.ts";
import { debian, type Engine, works } from "./engine.ts";
import { kubernetes } from "./kubernetes/engine.ts";

/** The engines in the order of their installation. */
export const engines = {
  bubblewrap: {
    name: "bubblewrap",
    purpose: "sandboxes on this machine",
    present: () => works("bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"),
    install: () => debian("bubblewrap"),
  },
  ripgrep: {
    name: "ripgrep",
    purpose: "fast search in a workspace",
    present: () => works("rg", "--version"),
    install: () => debian("ripgrep"),
  },
  agents,
  docker,
  kubernetes,
} as const satisfies Record<string, Engine>;
