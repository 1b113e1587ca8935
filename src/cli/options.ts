import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { HumanError, messageOf } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { presetNames } from '../core/opening/openings.js';
import { maximumProfileBytes, parseProfile, profileTextOf, specFromInput } from '../core/profile.js';
import type { SpecInput } from '../core/specInput.js';
import { idleFields, idleText } from '../core/specRules.js';
import type { RunSpec } from '../protocol/spec.js';
import { type CommandAbout, commandList, type CommandName, type CommandValues, type OptionAbout } from './commandList.js';
import { type SpecOption, specOptions } from './specOptions.js';

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;

/** A command line, understood. */
export interface CommandLine<C extends CommandName> {
  values: CommandValues<C>;
  /** Fields of the run spec that were given by options, as written. */
  given: SpecInput;
  positionals: string[];
}

/** The options of a command by their names, those of the run spec included. */
export function optionsOfCommand(about: CommandAbout): Record<string, OptionAbout> {
  return { ...(about.describesRun === true ? specOptions : {}), ...about.options };
}

/** Parses what follows a command. Throws a HumanError (usage): one sentence that names the nearest option. */
export function parseCommand<C extends CommandName>(command: C, args: string[]): CommandLine<C> {
  const options = optionsOfCommand(commandList[command]);
  const config: OptionsConfig = Object.fromEntries(
    Object.entries(options).map(([name, { short, value, many }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', multiple: many === true, ...(short === undefined ? {} : { short }) },
    ]),
  );
  const { values, positionals } = strictly(args, config, command);
  const given: SpecInput = {};
  for (const [name, value] of Object.entries(values)) {
    const own: OptionAbout | undefined = (commandList[command].options as Readonly<Record<string, OptionAbout>>)[name];
    if (own === undefined) setField(given, specOptions[name]!, value);
    else if (own.choices !== undefined && !own.choices.includes(String(value)))
      throw new HumanError(`--${name} is "${String(value)}", but must be one of: ${own.choices.join(', ')}.`, { code: 'usage' });
  }
  return { values: values as CommandValues<C>, given, positionals };
}

/** An option of a member makes the object, or adds to it: `--tls-ca FILE` is TLS with that authority. */
function setField(given: SpecInput, { field, member }: SpecOption, value: unknown): void {
  const before = given[field];
  const object = isObject(before) ? before : {};
  if (member !== undefined) given[field] = { ...object, [member]: value };
  else if (!isObject(before)) given[field] = value;
}

function isObject(value: unknown): value is SpecInput {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** parseArgs, with its complaints as one sentence. */
function strictly(args: string[], options: OptionsConfig, command: string) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const text = messageOf(error);
    // A value such as -5 is taken for an option.
    const dashed = /^Option '([^']+)' argument is ambiguous/.exec(text)?.[1];
    if (dashed !== undefined) {
      const name = Object.entries(options).find(([long, { short }]) => dashed.includes(`--${long}`) || dashed === `-${short ?? ''}`)?.[0] ?? dashed;
      throw new HumanError(`--${name} needs a value, but an option or a negative number follows it.`, {
        code: 'usage',
        remedy: `Help: c10m ${command} --help`,
        cause: error,
      });
    }
    const unknown = /Unknown option '(-+[^']+)'/.exec(text)?.[1];
    const near = unknown === undefined ? undefined : nearest(unknown.replace(/^-+/, ''), Object.keys(options));
    const message = unknown === undefined ? text.split('. ')[0]! : `"${unknown}" is not an option of c10m ${command}`;
    throw new HumanError(`${message.replace(/\.$/, '')}.`, {
      code: 'usage',
      remedy: near === undefined ? `Help: c10m ${command} --help` : `Did you mean --${near}?`,
      cause: error,
    });
  }
}

/** The spec of a profile, changed by the fields given as options. */
export function specFrom(given: SpecInput, profilePath: string | undefined): RunSpec {
  const fromProfile = profilePath === undefined ? {} : (JSON.parse(profileTextOf(readProfile(profilePath))) as SpecInput);
  const isLocal = (given['host'] ?? fromProfile['host'] ?? 'local') === 'local';
  const { workingDirectory } = given;
  const absolute = isLocal && typeof workingDirectory === 'string' ? { workingDirectory: resolve(workingDirectory) } : {};
  const tls = mergedTls(fromProfile, given, isLocal && given['clientHosts'] === undefined);
  const spec = specFromInput(withFiles({ ...fromProfile, ...given, ...absolute, ...tls }, given, profilePath));
  const [idle] = idleFields(given, spec);
  if (idle !== undefined) {
    throw new HumanError(idleText(idle, `--${flagOf(idle.field)}`), {
      code: 'usage',
      remedy:
        given[idle.other] === undefined
          ? `Add ${`--${flagOf(idle.other)} ${idle.needed[0] ?? ''}`.trimEnd()}.`
          : `Omit --${flagOf(idle.field)}, or change --${flagOf(idle.other)}.`,
    });
  }
  // As in any terminal: what is started on this machine starts in the current directory.
  return spec.engine === 'command' && isLocal ? { workingDirectory: process.cwd(), ...spec } : spec;
}

/** Texts that people keep in files of their own: named by an option, or in a profile as `@FILE`, from the profile's directory. */
function withFiles(input: SpecInput, given: SpecInput, profilePath: string | undefined): SpecInput {
  return withOpeningFile(withTemplateFile(input, given, profilePath), given, profilePath);
}

/** A preset is a word; what looks like a path, or begins with `@` in a profile, is a file with an opening. */
function withOpeningFile(input: SpecInput, given: SpecInput, profilePath: string | undefined): SpecInput {
  const { opening } = input;
  if (typeof opening !== 'string' || presetNames.includes(opening)) return input;
  const isGiven = given['opening'] !== undefined;
  if (!isGiven && !opening.startsWith('@')) return input;
  if (isGiven && !existsSync(opening) && !/[/.]/.test(opening)) return input;
  const path = isGiven ? opening : resolve(dirname(profilePath ?? '.'), opening.slice(1));
  const text = readTextFile(path, '--opening');
  try {
    return { ...input, opening: JSON.parse(text) as unknown };
  } catch (error) {
    throw new HumanError(`${path} is no opening: ${messageOf(error)}.`, {
      code: 'usage',
      remedy: 'It is JSON with "steps": see docs/servers.md.',
      cause: error,
    });
  }
}

function withTemplateFile(input: SpecInput, given: SpecInput, profilePath: string | undefined): SpecInput {
  const { configTemplate } = input;
  if (typeof configTemplate !== 'string') return input;
  if (given['configTemplate'] !== undefined) return { ...input, configTemplate: readTextFile(configTemplate, '--config-template') };
  if (!configTemplate.startsWith('@')) return input;
  return { ...input, configTemplate: readTextFile(resolve(dirname(profilePath ?? '.'), configTemplate.slice(1)), 'configTemplate') };
}

function readTextFile(path: string, what: string): string {
  try {
    if (statSync(path).size > maximumProfileBytes) throw new Error('it is larger than 1 MiB');
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new HumanError(`${path} of ${what} cannot be read: ${messageOf(error)}.`, { code: 'usage', cause: error });
  }
}

const tlsFiles = ['ca', 'clientCertificate', 'clientKey'];

/** What the options say of TLS, beside what the profile says. Files of this machine may be named from the current directory. */
function mergedTls(fromProfile: SpecInput, given: SpecInput, isLocal: boolean): SpecInput {
  if (given['tls'] === undefined) return {};
  const own = isObject(given['tls']) ? given['tls'] : {};
  const absolute = isLocal ? Object.fromEntries(tlsFiles.filter((key) => typeof own[key] === 'string').map((key) => [key, resolve(own[key] as string)])) : {};
  return { tls: { ...(isObject(fromProfile['tls']) ? fromProfile['tls'] : {}), ...own, ...absolute } };
}

function flagOf(field: string): string {
  return Object.entries(specOptions).find(([, about]) => about.field === field)?.[0] ?? field;
}

/** Reads a profile; throws a HumanError with the line of its first problem. */
export function readProfile(path: string): RunSpec {
  let text: string;
  try {
    if (statSync(path).size > maximumProfileBytes) throw new Error('it is larger than 1 MiB');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new HumanError(`The profile ${path} cannot be read: ${messageOf(error)}.`, { code: 'usage', cause: error });
  }
  const { spec, problems } = parseProfile(text);
  if (spec !== undefined) return spec;
  const problem = problems[0]!;
  const line = text.slice(0, problem.offset).split('\n').length;
  throw new HumanError(`${path}, line ${line}: ${problem.message}`, { code: 'usage' });
}
