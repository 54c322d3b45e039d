/** Describes how a provider's secrets look. */
export interface SecretRule {
  readonly id: string;
  readonly description: string;
  /** A text without any of these contains no match, so the pattern is not tried. */
  readonly keywords: readonly string[];
  /**
   * Cannot begin inside a run of the characters that it repeats, and repeats a limited number of
   * times: a hostile text costs no more than any other. The group `secret` is what counts.
   */
  readonly pattern: RegExp;
  /** Bits per character. Placeholders such as `ghp_xxxxxxxx` have less. */
  readonly minEntropy: number;
}

const start = String.raw`(?<![\w+/-])`;
const end = String.raw`(?![\w+/-])`;

const createTokenRule = (id: string, description: string, prefixes: readonly string[], rest: string): SecretRule => ({
  id,
  description,
  keywords: prefixes,
  pattern: new RegExp(`${start}(?<secret>(?:${prefixes.join("|")})${rest})${end}`, "g"),
  minEntropy: 3,
});

/** Only forms with a prefix or a name are rules: ordinary identifiers have the same characters. */
export const secretRules: readonly SecretRule[] = [
  createTokenRule("aws-access-key", "AWS access key", ["AKIA", "ASIA"], "[A-Z2-7]{16}"),
  {
    id: "aws-secret-key",
    description: "AWS secret access key",
    keywords: ["ecret", "ECRET"],
    pattern:
      /aws_?secret_?(?:access_?)?key["']?[ \t]{0,8}[:=][ \t]{0,8}["']?(?<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    minEntropy: 4,
  },
  createTokenRule("github-token", "GitHub token", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "[A-Za-z0-9]{36,255}"),
  createTokenRule("github-fine-grained-token", "GitHub token", ["github_pat_"], "[A-Za-z0-9_]{60,255}"),
  createTokenRule("gitlab-token", "GitLab token", ["glpat-", "gldt-", "glrt-"], "[A-Za-z0-9_-]{20,255}"),
  createTokenRule("slack-token", "Slack token", ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xapp-"], "[A-Za-z0-9-]{24,255}"),
  createTokenRule("google-api-key", "Google API key", ["AIza"], "[A-Za-z0-9_-]{35}"),
  createTokenRule("anthropic-key", "Anthropic API key", ["sk-ant-"], "[A-Za-z0-9_-]{32,255}"),
  createTokenRule("openai-key", "OpenAI API key", ["sk-proj-", "sk-svcacct-"], "[A-Za-z0-9_-]{32,255}"),
  createTokenRule("openai-older-key", "OpenAI API key", ["sk-"], "[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
  createTokenRule("stripe-key", "Stripe key", ["sk_live_", "rk_live_"], "[A-Za-z0-9]{20,255}"),
  createTokenRule("npm-token", "npm token", ["npm_"], "[A-Za-z0-9]{36}"),
  createTokenRule("pypi-token", "PyPI token", ["pypi-AgEI"], "[A-Za-z0-9_-]{50,255}"),
  createTokenRule(
    "jwt",
    "JSON web token",
    ["eyJ"],
    String.raw`[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,1000}`,
  ),
  createTokenRule("wharf-access-token", "Wharf access token", ["wharf_pat_"], "[A-Za-z0-9]{42}"),
  createTokenRule("wharf-refresh-token", "Wharf refresh token", ["wharf_refresh_"], "[A-Za-z0-9_-]{70}"),
  {
    id: "private-key",
    description: "private key",
    keywords: ["PRIVATE KEY"],
    pattern: /-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----(?:\s|\\[nr]){1,8}(?<secret>[A-Za-z0-9+/]{40,64})/g,
    minEntropy: 3,
  },
];

/** Returns Shannon's entropy of a text, in bits per character. */
export function getEntropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
}
