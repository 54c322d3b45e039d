/** Where things are inside a runner, whatever their place outside. */
export const containerPaths = {
  kit: "/opt/wharf",
  node: "/opt/wharf/node/bin/node",
  agents: "/opt/agents",
  agentLinks: "/opt/agents/bin",
  workspace: "/workspace",
  home: "/home/wharf",
  state: "/var/lib/wharf",
  wire: "/run/wharf",
  /** The files of the cgroup that bounds a local runner's memory. */
  cgroup: "/opt/wharf/cgroup",
} as const;
