/** Programs in a runner find things at these paths, regardless of their place outside. */
export const containerPaths = {
  kit: "/opt/wharf",
  node: "/opt/wharf/node/bin/node",
  agents: "/opt/agents",
  agentLinks: "/opt/agents/bin",
  workspace: "/workspace",
  home: "/home/wharf",
  state: "/var/lib/wharf",
  wire: "/run/wharf",
  /** Contains the files of the cgroup that limits a local runner's memory. */
  cgroup: "/opt/wharf/cgroup",
} as const;
