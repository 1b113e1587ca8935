import { HumanError } from '../core/errors.js';
import type { Completion } from '../protocol/specField.js';
import { type CommandAbout, commandList, type OptionAbout } from './commandList.js';
import { optionsOfCommand } from './options.js';

const commands: Readonly<Record<string, CommandAbout>> = commandList;

/** `c10m completion bash|zsh|fish`: a script that completes commands, options and values, made from the lists that help is made from. */
export function completionText(shell: string | undefined): string {
  if (shell === 'bash') return bashText();
  // zsh runs completion functions of bash.
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bashText()}`;
  if (shell === 'fish') return fishText();
  throw new HumanError(shell === undefined ? 'c10m completion needs the name of a shell.' : `"${shell}" is not a shell that c10m completes in.`, {
    code: 'usage',
    remedy: 'Shells: bash, zsh, fish. Such as: source <(c10m completion bash)',
  });
}

/** Commands of a shell that print the words for a value, one a line. */
const wordsOf: Record<Completion, string> = {
  host: "c10m host list 2>/dev/null | sed 's/  .*//'",
  run: "c10m runs list 2>/dev/null | sed -n '2,$s/ .*//p'",
  file: '',
  directory: '',
  profile: '',
  command: '',
};

function bashText(): string {
  const cases = Object.entries(commands).map(([name, about]) => {
    const options = optionsOfCommand(about);
    const values = Object.entries(options).flatMap(([option, { value, short, ...rest }]) =>
      value === undefined ? [] : [`        --${option}${short === undefined ? '' : `|-${short}`}) ${bashReply(rest)}; return ;;`],
    );
    const words = [...Object.keys(options).map((option) => `--${option}`), ...Object.keys(about.actions ?? {})].join(' ');
    return `    ${name})
      case "$previous" in
${[...values, ...actionCases(about)].join('\n')}
      esac
      COMPREPLY=($(compgen -W '${words}' -- "$current"))${about.completes === 'profile' ? '\n      [[ "$current" == -* ]] || COMPREPLY+=($(compgen -f -X "!*.c10m.json" -- "$current"))' : ''} ;;`;
  });
  return `_c10m() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then COMPREPLY=($(compgen -W '${Object.keys(commands).join(' ')} help' -- "$current")); return; fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
}
complete -o filenames -F _c10m c10m
`;
}

function actionCases(about: CommandAbout): string[] {
  return Object.entries(about.actions ?? {}).flatMap(([action, { completes }]) =>
    completes === undefined ? [] : [`        ${action}) ${bashReply({ completes })}; return ;;`],
  );
}

function bashReply({ choices, completes }: Pick<OptionAbout, 'choices' | 'completes'>): string {
  if (choices !== undefined) return `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current"))`;
  if (completes === 'directory') return 'COMPREPLY=($(compgen -d -- "$current"))';
  if (completes === 'file') return 'COMPREPLY=($(compgen -f -- "$current"))';
  const words = completes === undefined ? '' : wordsOf[completes];
  return words === '' ? ':' : `COMPREPLY=($(compgen -W "$(${words})" -- "$current"))`;
}

function fishText(): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = ['complete -c c10m -f'];
  for (const [name, about] of Object.entries(commands)) {
    lines.push(`complete -c c10m -n __fish_use_subcommand -a ${name} -d ${quoted(about.summary)}`);
    const within = `complete -c c10m -n '__fish_seen_subcommand_from ${name}'`;
    for (const [action, { summary }] of Object.entries(about.actions ?? {})) lines.push(`${within} -a ${action} -d ${quoted(summary)}`);
    for (const [option, { short, value, choices, completes, description }] of Object.entries(optionsOfCommand(about))) {
      const words = completes === undefined ? '' : wordsOf[completes];
      const source =
        choices !== undefined ? ` -a ${quoted(choices.join(' '))}` : words === '' ? (value === undefined ? '' : ' -F') : ` -a ${quoted(`(${words})`)}`;
      lines.push(`${within} -l ${option}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -r'}${source} -d ${quoted(description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
