/**
 * Named groups of hosts, one for each package manager. They serve packages; publishing needs a
 * login that no runner has.
 */
export const hostPresets = {
  npm: {
    summary: "npm, pnpm, yarn and bun; the headers for native addons",
    hosts: ["registry.npmjs.org", "registry.yarnpkg.com", "repo.yarnpkg.com", "nodejs.org"],
  },
  pypi: { summary: "pip, uv, poetry", hosts: ["pypi.org", "files.pythonhosted.org"] },
  crates: { summary: "cargo", hosts: ["index.crates.io", "static.crates.io", "crates.io"] },
  go: { summary: "go modules", hosts: ["proxy.golang.org", "sum.golang.org"] },
  maven: {
    summary: "Maven and Gradle",
    hosts: [
      "repo.maven.apache.org",
      "repo1.maven.org",
      "plugins.gradle.org",
      "plugins-artifacts.gradle.org",
      "services.gradle.org",
      "downloads.gradle.org",
    ],
  },
  rubygems: { summary: "gem and bundler", hosts: ["rubygems.org", "index.rubygems.org"] },
  debian: { summary: "apt on Debian", hosts: ["deb.debian.org", "security.debian.org"] },
  ubuntu: {
    summary: "apt on Ubuntu",
    hosts: ["archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com"],
  },
  "github-releases": {
    summary: "files of GitHub releases, and the rest of github.com with them",
    hosts: [
      "github.com",
      "codeload.github.com",
      "objects.githubusercontent.com",
      "release-assets.githubusercontent.com",
    ],
  },
} as const satisfies Readonly<Record<string, { readonly summary: string; readonly hosts: readonly string[] }>>;

export type HostPreset = keyof typeof hostPresets;

export const isHostPreset = (text: string): text is HostPreset => Object.hasOwn(hostPresets, text);
