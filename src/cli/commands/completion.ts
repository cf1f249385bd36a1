// `packetpath completion SHELL`: shell completion, generated from the command tree, so that it
// cannot name a flag that does not exist. Main thread only.
import { Argument, type Command } from "commander";
import { EXIT } from "../../base/errors.js";
import { writeOut } from "../failure.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletionCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("completion")
    .summary("print a shell completion script")
    .description("Prints a completion script; bash: source <(packetpath completion bash)")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .action(async (shell: Shell) => {
      await writeOut(process.stdout, completionScript(program, shell));
      exit(EXIT.asExpected);
    });
}

interface Node {
  /** Words after the program's name: "", "run", "flow check". */
  readonly path: string;
  readonly summary: string;
  readonly subcommands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly {
    readonly long: string;
    readonly summary: string;
    readonly takesValue: boolean;
    readonly choices: readonly string[];
  }[];
  /** Fixed words of the first argument; empty: files. */
  readonly choices: readonly string[];
}

/** The tree as a list, root first. */
function nodesOf(command: Command, path = ""): Node[] {
  const subcommands = command.commands.map((one) => ({
    name: one.name(),
    summary: one.summary() || one.description(),
  }));
  const flags = [
    ...command.options.map((option) => ({
      long: option.long ?? "",
      summary: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })),
    { long: "--help", summary: "show help", takesValue: false, choices: [] },
  ];
  const choices = command.registeredArguments[0]?.argChoices ?? [];
  const self = { path, summary: command.summary(), subcommands, flags, choices };
  const below = command.commands.flatMap((one) => nodesOf(one, `${path} ${one.name()}`.trim()));
  return [self, ...below];
}

/** The script for one shell. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program);
  if (shell === "fish") return fishScript(nodes);
  const bash = bashScript(nodes);
  const zsh = "autoload -U +X bashcompinit && bashcompinit\n";
  return shell === "zsh" ? `#compdef packetpath\n${zsh}${bash}` : bash;
}

function bashScript(nodes: readonly Node[]): string {
  const cases = nodes.map((node) => {
    const words = [...node.subcommands.map((one) => one.name), ...node.choices];
    const flags = node.flags.map((flag) => flag.long);
    return `    "${node.path}") words="${words.join(" ")}" flags="${flags.join(" ")}" ;;`;
  });
  const paths = nodes.filter((node) => node.path !== "").map((node) => `"${node.path}"`);
  const values = nodes.flatMap((node) =>
    node.flags
      .filter((flag) => flag.choices.length > 0)
      .map((flag) => `    "${node.path} ${flag.long}") values="${flag.choices.join(" ")}" ;;`),
  );
  return `# packetpath completion; made by \`packetpath completion bash\`
_packetpath() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local path="" word index words="" flags="" values=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "\${path:+$path }$word" in
      ${paths.join(" | ")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  case "$path $previous" in
${values.join("\n")}
    *) ;;
  esac
  if [ -n "$values" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [ "\${current#-}" != "$current" ]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _packetpath packetpath
`;
}

function fishScript(nodes: readonly Node[]): string {
  const lines = ["# packetpath completion; made by `packetpath completion fish`"];
  for (const node of nodes) {
    const seen = node.path === "" ? [] : node.path.split(" ");
    const here = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
    const names = node.subcommands.map((one) => one.name);
    const notBelow =
      names.length === 0 ? [] : [`not __fish_seen_subcommand_from ${names.join(" ")}`];
    const condition = [...here, ...notBelow].join("; and ");
    const when = condition === "" ? "" : ` -n '${condition}'`;
    for (const one of node.subcommands) {
      lines.push(`complete -c packetpath -f${when} -a ${one.name} -d '${escapeFish(one.summary)}'`);
    }
    for (const choice of node.choices) lines.push(`complete -c packetpath -f${when} -a ${choice}`);
    for (const flag of node.flags) {
      const values = flag.choices.length > 0 ? ` -xa '${flag.choices.join(" ")}'` : "";
      const required = flag.takesValue && values === "" ? " -r" : "";
      const text = `-l ${flag.long.replace(/^--/, "")}${required}${values}`;
      lines.push(`complete -c packetpath${when} ${text} -d '${escapeFish(flag.summary)}'`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function escapeFish(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
