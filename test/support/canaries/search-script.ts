import { registryNames } from "./canary-hosts.ts";
import { packageName } from "./canary-registry.ts";
import { markExpression } from "./canary.ts";

export const searchCommand = "sh search.sh";

/**
 * A script that an agent runs in its repository. It fetches from every registry and installs a
 * package, so that what the registries answer is in files, and then searches all that it can read
 * for canaries. The last two lines of its output are the number of canaries and `SEARCHED`.
 */
export const searchScript: Readonly<Record<string, string>> = {
  "search.sh": `mkdir -p ~/fetched && cd ~/fetched || exit
registries=\${npm_config_registry%${registryNames[0]}/}
for name in ${registryNames.join(" ")}; do curl -si "$registries$name/${packageName}" >>answers.txt; done
grep -o '"echo":' answers.txt | wc -l
npm install --no-audit --no-fund ${packageName} >npm.log 2>&1
ls node_modules
{
  cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'
  env
  grep -rsh '${markExpression}' /workspace /home /tmp /run /etc /var /dev/shm
} 2>/dev/null | grep -c '${markExpression}'
echo searched | tr a-z A-Z
`,
};
/** The beginning of the script's output: the number of answers, and the installed package. */
export const fetched = new RegExp(`\\b${registryNames.length}\\s+${packageName}\\b`);
