import type { AgentTypeInput } from "@wharf/contract";

type BuiltInAgentType = Pick<AgentTypeInput, "name" | "description" | "command"> & Partial<AgentTypeInput>;

/**
 * The built-in agents. Their URLs point to the gateway and their keys are the run's token; each
 * program determines the names of its variables.
 */
export const builtInAgentTypes: readonly BuiltInAgentType[] = [
  {
    name: "demo",
    description: "A script in place of a model: shows everything Wharf does, offline and without a key",
    command: ["wharf-demo-agent"],
    environment_vars: { WHARF_GATEWAY: "${WHARF_GATEWAY}", WHARF_TOKEN: "${WHARF_TOKEN}" },
    capabilities: ["demonstration"],
  },
  {
    name: "wharf",
    description: "Wharf's own coding agent, with Gemini, Anthropic or OpenAI-compatible models",
    command: ["wharf-agent"],
    model_route: "auto",
    environment_vars: {
      WHARF_MODEL_PROVIDER: "${WHARF_MODEL_API}",
      WHARF_MODEL_BASE_URL: "${WHARF_GATEWAY}/models/${WHARF_MODEL_ROUTE}",
      WHARF_TOKEN: "${WHARF_TOKEN}",
    },
    capabilities: ["code_generation", "debugging", "refactoring", "testing", "documentation"],
  },
  {
    name: "gemini",
    description: "Google's Gemini CLI",
    command: ["gemini", "--acp", "-m", "gemini-2.5-flash"],
    docker_image: "wharf-gemini",
    model_route: "gemini",
    environment_vars: {
      GOOGLE_GEMINI_BASE_URL: "${WHARF_GATEWAY}/models/gemini",
      GEMINI_API_KEY: "${WHARF_TOKEN}",
      GEMINI_CLI_NO_RELAUNCH: "true",
    },
    capabilities: ["code_review", "documentation", "testing", "general_assistance"],
  },
  {
    name: "claude",
    description: "Anthropic's Claude Code",
    command: ["claude-agent-acp"],
    docker_image: "wharf-claude",
    model_route: "anthropic",
    environment_vars: {
      ANTHROPIC_BASE_URL: "${WHARF_GATEWAY}/models/anthropic",
      ANTHROPIC_AUTH_TOKEN: "${WHARF_TOKEN}",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      CLAUDE_CODE_ENABLE_TODO_TOOLS: "1",
    },
    capabilities: ["code_generation", "debugging", "refactoring", "testing"],
  },
  {
    name: "codex",
    description: "OpenAI's Codex",
    command: ["codex-acp"],
    docker_image: "wharf-codex",
    model_route: "openai",
    environment_vars: { WHARF_TOKEN: "${WHARF_TOKEN}" },
    home_files: {
      // The profile `wharf` allows no writes without a permission. Codex's own sandbox fails before
      // a command begins in it, with a message that Codex takes for a refusal by the sandbox, so
      // Codex asks to run the command without it. Codex's default sandbox fails inside Wharf's as
      // well, but with a message that Codex attributes to the command.
      ".codex/config.toml": [
        'model_provider = "wharf"',
        'default_permissions = "wharf"',
        'approvals_reviewer = "user"',
        "[approval_policy.granular]",
        "sandbox_approval = true",
        "rules = true",
        "mcp_elicitations = true",
        "request_permissions = true",
        "skill_approval = true",
        "[features]",
        "use_legacy_landlock = true",
        "[tools.update_plan]",
        "enabled = true",
        "[permissions.wharf]",
        'description = "Ask before each edit and command; Wharf is the sandbox"',
        "[permissions.wharf.filesystem]",
        '":root" = "read"',
        "[permissions.wharf.network]",
        "enabled = true",
        "[model_providers.wharf]",
        'name = "Wharf"',
        'base_url = "${WHARF_GATEWAY}/models/openai/v1"',
        'env_key = "WHARF_TOKEN"',
        'wire_api = "responses"',
        "",
      ].join("\n"),
    },
    capabilities: ["code_generation", "debugging", "refactoring", "testing"],
  },
  {
    name: "opencode",
    description: "OpenCode, with an OpenAI-compatible model",
    command: ["opencode", "acp"],
    docker_image: "wharf-opencode",
    model_route: "openai",
    environment_vars: {
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        model: "wharf/gpt-5",
        permission: { edit: "ask", bash: "ask" },
        provider: {
          wharf: {
            npm: "@ai-sdk/openai-compatible",
            options: { baseURL: "${WHARF_GATEWAY}/models/openai/v1", apiKey: "${WHARF_TOKEN}" },
            models: { "gpt-5": {} },
          },
        },
      }),
    },
    capabilities: ["code_generation", "debugging", "refactoring", "testing"],
  },
  {
    name: "qwen",
    description: "Qwen Code, with an OpenAI-compatible model",
    command: ["qwen", "--acp"],
    docker_image: "wharf-qwen",
    model_route: "openai",
    environment_vars: {
      OPENAI_BASE_URL: "${WHARF_GATEWAY}/models/openai/v1",
      OPENAI_API_KEY: "${WHARF_TOKEN}",
      OPENAI_MODEL: "qwen3-coder-plus",
    },
    // Before its first command the program compiles a parser for the shell, which takes 1.8 GB for
    // two seconds.
    default_resources: { cpu: "1.0", memory: "4g", disk: "10g" },
    capabilities: ["code_generation", "debugging", "refactoring", "testing"],
  },
  {
    name: "auggie",
    description: "Augment's Auggie; it wants a login of its own and speaks to Augment's service alone",
    command: ["auggie", "--acp"],
    docker_image: "wharf-auggie",
    environment_vars: { AUGGIE_MODE: "acp", AUGGIE_STREAM: "true" },
    default_resources: { cpu: "2.0", memory: "2g", disk: "10g" },
    capabilities: ["code_analysis", "code_generation", "debugging", "refactoring"],
  },
];
