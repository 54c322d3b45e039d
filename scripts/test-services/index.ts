import { agents } from "./agents/service.ts";
import { docker } from "./docker/service.ts";
import { kubernetes } from "./kubernetes/service.ts";
import { canRun, installDebianPackages, type TestService } from "./service.ts";

/** The services in the order of their installation. */
export const testServices = {
  bubblewrap: {
    name: "bubblewrap",
    purpose: "sandboxes on this machine",
    isPresent: () => canRun("bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"),
    install: () => installDebianPackages("bubblewrap"),
  },
  ripgrep: {
    name: "ripgrep",
    purpose: "fast search in a workspace",
    isPresent: () => canRun("rg", "--version"),
    install: () => installDebianPackages("ripgrep"),
  },
  agents,
  docker,
  kubernetes,
} as const satisfies Record<string, TestService>;
