import { existsSync } from "node:fs";
import { agents } from "./agents/service.ts";
import { chromium } from "./chromium.ts";
import { docker } from "./docker/service.ts";
import { kubernetes } from "./kubernetes/service.ts";
import { canRun, installDebianPackages, type TestService } from "./service.ts";

/** The programs that runners of the tests find in /usr/bin, with their Debian packages. */
const packageManagers = { pip: "python3-pip", go: "golang-go", cargo: "cargo-web", gem: "ruby", mvn: "maven" };

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
  "package-managers": {
    name: "package-managers",
    purpose: "pip, go, cargo, gem and Maven in runners",
    isPresent: () => Object.keys(packageManagers).every((program) => existsSync(`/usr/bin/${program}`)),
    install: () => installDebianPackages(...Object.values(packageManagers)),
  },
  chromium,
  agents,
  docker,
  kubernetes,
} as const satisfies Record<string, TestService>;
